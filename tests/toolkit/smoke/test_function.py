"""Functions that Lambda has not updated yet."""

from __future__ import annotations

import dataclasses
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud import respond
from tests.support.contexts import opened, outputs
from toolkit.aws.access import AwsAccess
from toolkit.smoke.function import Functions
from toolkit.smoke.results import FailedError


@pytest.fixture
def lambda_api() -> Iterator[tuple[str, list[str]]]:
    """A server with the responses of GetFunction to come, of which the last one remains."""
    states: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if "/functions/" not in self.path:
                # No state: the code is not compared.
                respond(self, 404, b"<Error><Code>NoSuchKey</Code></Error>")
                return
            state = states.pop(0) if len(states) > 1 else states[0]
            configuration = {"State": "Active", "LastUpdateStatus": state, "CodeSha256": "x"}
            respond(self, 200, json.dumps({"Configuration": configuration}).encode())

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", states
    server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("healthy", [True, False])
def test_an_update_in_progress_is_awaited(
    tmp_path: Path, lambda_api: tuple[str, list[str]], healthy: bool
) -> None:
    url, states = lambda_api
    states += ["InProgress", "InProgress", "Successful"] if healthy else ["InProgress"]
    context = opened(
        tmp_path, AwsAccess("us-east-1", "123456789012", url, ("AKIAIOSFODNN7EXAMPLE", "s" * 40))
    ).context
    deployed = dataclasses.replace(outputs({}), functions={"authorizer": "llm-x-authorizer"})
    functions = Functions(context, deployed, 60 if healthy else 0)
    if healthy:
        assert functions.check("authorizer") == "llm-x-authorizer, code as deployed"
        assert states == ["Successful"]
    else:
        with pytest.raises(FailedError, match="llm-x-authorizer is InProgress"):
            functions.check("authorizer")
