"""The checks of the smoke test, against fake endpoints and a fake API."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from botocore.exceptions import ClientError

from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.errors import SmokeTestError
from toolkit.smoke import Check, checks, raise_for_failures

COMPLETION = {"choices": [{"message": {"content": "one two three"}}]}
USAGE = '{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}'
STREAM = ['{"choices": [{"delta": {"content": "one"}}]}', '{"choices": [{"delta": {"content": "two"}}]}']


def events(*data: str) -> bytes:
    return b"".join(f"data: {item}\n\n".encode() for item in data)


class Deployment:
    """Fake responses of the endpoint, the SageMaker runtime and the API."""

    def __init__(self) -> None:
        self.status = "InService"
        self.completion = json.dumps(COMPLETION).encode()
        self.response = httpx.Response(200, content=self.completion)
        self.streamed = httpx.Response(200, content=events(*STREAM, "[DONE]"))
        self.refusal: ClientError | None = None

    def describe_endpoint(self, **_: str) -> dict[str, str]:
        return {"EndpointStatus": self.status}

    def invoke_endpoint(self, **_: str) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        return {"Body": io.BytesIO(self.completion)}

    def api(self, request: httpx.Request) -> httpx.Response:
        return self.streamed if json.loads(request.content).get("stream") else self.response


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Check]]:
    """Run the checks of one model, or of several, by endpoint type."""
    client = httpx.Client(transport=httpx.MockTransport(deployment.api), base_url="http://api/v1")
    monkeypatch.setattr(checks.keys, "of", lambda *_: None)
    monkeypatch.setattr(checks, "open_api", lambda *_: client)
    access = SimpleNamespace(sagemaker=deployment, sagemaker_runtime=deployment)
    context = cast(Context, SimpleNamespace(access=access, environment=None))

    def run(*types: str) -> list[Check]:
        models = {
            f"m{number}": DeployedModel(f"llm-m{number}", kind, "config", [], {}, {}, [])
            for number, kind in enumerate(types or ("realtime",))
        }
        outputs = Outputs(
            "dev", "us-east-1", "123456789012", "http://api/v1", None, models, {}, {}, {}, False
        )
        return list(checks.run(context, outputs))

    return run


@pytest.mark.parametrize(
    ("endpoint_type", "names"),
    [
        ("realtime", ["endpoint InService", "runtime invocation", "API call", "streamed API call"]),
        ("serverless", ["endpoint InService", "runtime invocation", "API call"]),
        ("async", ["endpoint InService"]),
    ],
)
def test_the_endpoint_type_determines_the_checks(
    run: Callable[..., list[Check]], endpoint_type: str, names: list[str]
) -> None:
    results = run(endpoint_type)
    assert [check.name for check in results] == names
    assert all(check.ok for check in results)


def test_a_failed_check_skips_later_ones_of_its_model_only(
    run: Callable[..., list[Check]], deployment: Deployment
) -> None:
    deployment.status = "Failed"
    results = run("realtime", "realtime")
    assert [(check.model, check.ok, check.detail) for check in results] == [
        ("m0", False, "llm-m0 is Failed"),
        ("m1", False, "llm-m1 is Failed"),
    ]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not a chat completion"),
        (b'{"choices": []}', "not a chat completion"),
        (b'{"choices": [{"message": {"content": ""}}]}', "the response is empty"),
    ],
)
def test_a_wrong_completion_fails_with_its_reason(
    run: Callable[..., list[Check]], deployment: Deployment, body: bytes, reason: str
) -> None:
    deployment.completion = body
    last = run()[-1]
    assert (last.name, last.ok) == ("runtime invocation", False)
    assert reason in last.detail


def test_an_error_of_aws_is_a_failed_check(run: Callable[..., list[Check]], deployment: Deployment) -> None:
    error = {"Error": {"Code": "ModelError", "Message": "out of memory"}}
    deployment.refusal = ClientError(cast(Any, error), "InvokeEndpoint")
    assert "out of memory" in run()[-1].detail


def test_an_http_error_shows_status_and_body(run: Callable[..., list[Check]], deployment: Deployment) -> None:
    deployment.response = httpx.Response(403, text="missing key")
    last = run()[-1]
    assert (last.name, last.detail) == ("API call", "HTTP 403: missing key")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (events(*STREAM), "ended after 2 chunks without [DONE]"),
        (events(STREAM[0], USAGE, "[DONE]"), "not streamed"),
        (events("{half"), "not JSON"),
        (events(STREAM[0], '{"error": {"message": "worker died"}}'), "worker died"),
    ],
)
def test_a_broken_stream_fails_with_its_reason(
    run: Callable[..., list[Check]], deployment: Deployment, content: bytes, reason: str
) -> None:
    deployment.streamed = httpx.Response(200, content=content)
    last = run()[-1]
    assert (last.name, last.ok) == ("streamed API call", False)
    assert reason in last.detail


def test_the_error_lists_the_failed_checks() -> None:
    passed = Check("m", "API call", True, 0.1, "fine")
    failed = Check("m", "streamed API call", False, 0.2, "HTTP 500: ")
    raise_for_failures("dev", [passed])
    with pytest.raises(SmokeTestError, match="1 of 2 checks failed") as caught:
        raise_for_failures("dev", [passed, failed])
    assert list(caught.value.details) == [failed.line()]
    assert "toolkit status --env dev" in (caught.value.remedy or "")
