"""Nothing of a request stays in memory when it is over, however it ended."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from gateway.app import create_app
from gateway.errors import ModelUnavailableError
from gateway.model_response import ModelResponse
from gateway.request_log import RequestRecord
from gateway.responses import EventStream
from gateway.service import Models
from gateway.settings import Model, Settings
from starlette.testclient import TestClient

from tests.support.patience import wait_for

CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}


class Invocation:
    def __iter__(self) -> Iterator[bytes]:
        yield f"data: {json.dumps(CHUNK)}\n\n".encode()

    def interrupt(self) -> None:
        pass


class Endpoints:
    def invoke(self, call: Any) -> Invocation:
        if call.endpoint == "full":
            raise ModelUnavailableError(cause="no capacity")
        return Invocation()


@pytest.fixture
def new_objects() -> Iterator[None]:
    """Only what is made from here on is looked at: what a worker has loaded by then takes seconds."""
    gc.freeze()
    yield
    gc.unfreeze()


def alive() -> Counter[type]:
    gc.collect()
    kinds = (ModelResponse, RequestRecord, EventStream, Invocation)
    return Counter(type(each) for each in gc.get_objects() if type(each) in kinds)


@pytest.mark.usefixtures("new_objects")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["demo", "full", "safe", "unknown"])
def test_nothing_is_left_of_requests(model: str, stream: bool) -> None:
    models = {
        "demo": Model("demo", "demo"),
        "full": Model("full", "full"),
        "safe": Model("safe", "full", fallback="demo"),
    }
    client = TestClient(create_app(Models(models, Endpoints()), Settings(models)))
    for _ in range(5):
        client.post(
            "/v1/chat/completions",
            json={"model": model, "messages": [{"role": "user", "content": "Hi"}], "stream": stream},
        )
    # What has worked for a request in a thread may end a moment after the answer.
    wait_for(lambda: alive() == {}, "the end of all that was made")
