"""Requests leave no objects in memory, however they end."""

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
    def __init__(self) -> None:
        self._parts = [f"data: {json.dumps(CHUNK)}\n\n".encode(), b""]

    async def read(self, seconds: float) -> bytes:  # noqa: ARG002
        return self._parts.pop(0)

    def close(self) -> None:
        pass


class Endpoints:
    async def invoke(self, call: Any) -> Invocation:
        if call.endpoint == "full":
            raise ModelUnavailableError(cause="no capacity")
        return Invocation()


@pytest.fixture
def new_objects() -> Iterator[None]:
    """Limit the search to objects created in the test; all objects of a worker take seconds."""
    gc.freeze()
    yield
    gc.unfreeze()


def alive() -> Counter[type]:
    gc.collect()
    kinds = (ModelResponse, RequestRecord, EventStream, Invocation)
    return Counter(type(item) for item in gc.get_objects() if type(item) in kinds)


@pytest.mark.usefixtures("new_objects")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", ["demo", "full", "safe", "unknown"])
def test_requests_leave_no_objects(model: str, stream: bool) -> None:
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
    # A request's task may end a moment after the response.
    wait_for(lambda: alive() == {}, "the end of all objects of the requests")
