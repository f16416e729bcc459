"""Keep-alives for clients that wait for a slow model."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from tests.support.gateway import CHAT, RESPONSE, sse
from tests.support.patience import HANG_SECONDS


@pytest.fixture(scope="module")
def gateway_with_keepalive(start_gateway: Any) -> Any:
    models = {"demo": {"endpoint": "demo"}}
    gateway = start_gateway({"GATEWAY_MODELS": json.dumps(models), "GATEWAY_KEEPALIVE_SECONDS": "0.02"})
    gateway.wait_until_ready()
    return gateway


def open_chat(gateway: Any, **more: Any) -> AbstractContextManager[httpx.Response]:
    url = f"{gateway.address}/v1/chat/completions"
    return httpx.stream("POST", url, json={**CHAT, **more}, timeout=HANG_SECONDS)


def test_a_slow_stream_sends_keepalive_comments(gateway_with_keepalive: Any, engine: Any) -> None:
    received = threading.Event()
    # The engine is silent until the client has received a keep-alive.
    engine.respond(lambda: received.wait(HANG_SECONDS), *RESPONSE)
    with open_chat(gateway_with_keepalive, stream=True) as response:
        lines = response.iter_lines()
        assert next(lines) == ": keep-alive"
        received.set()
        data = [line for line in lines if line.startswith("data: ")]
    assert json.loads(data[0].removeprefix("data: "))["choices"][0]["delta"]["content"] == "Grüß "
    assert data[-1] == "data: [DONE]"


def test_errors_after_a_keepalive_are_events(gateway_with_keepalive: Any, engine: Any) -> None:
    received = threading.Event()
    engine.respond(lambda: received.wait(HANG_SECONDS), sse({"error": {"message": "boom", "code": 500}}))
    with open_chat(gateway_with_keepalive, stream=True) as response:
        lines = response.iter_lines()
        assert next(lines) == ": keep-alive"
        received.set()
        (data,) = [line for line in lines if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "model_error"


def test_a_slow_whole_response_begins_with_white_space(gateway_with_keepalive: Any, engine: Any) -> None:
    received = threading.Event()
    engine.respond(RESPONSE[0], lambda: received.wait(HANG_SECONDS), *RESPONSE[1:])
    with open_chat(gateway_with_keepalive) as response:
        assert response.headers["content-type"] == "application/json"
        parts = response.iter_raw()
        begin = next(parts)
        assert begin.strip() == b""
        received.set()
        body = json.loads(begin + b"".join(parts))
    assert body["choices"][0]["message"]["content"] == "Grüß dich 🙂"


def test_a_late_failure_closes_the_connection(gateway_with_keepalive: Any, engine: Any) -> None:
    received = threading.Event()
    engine.respond(RESPONSE[0], lambda: received.wait(HANG_SECONDS))
    with open_chat(gateway_with_keepalive) as response:
        request_id = response.headers["x-request-id"]
        parts = response.iter_raw()
        next(parts)
        received.set()
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    line = gateway_with_keepalive.log_line(request_id)
    assert (line["error"], line["ServerErrors"]) == ("ModelError", 1)
    assert "Traceback" not in gateway_with_keepalive.log.read_text()


def test_disconnect_during_a_slow_response_stops_the_model(gateway_with_keepalive: Any, engine: Any) -> None:
    engine.respond_forever(RESPONSE[0], RESPONSE[0])
    with open_chat(gateway_with_keepalive) as response:
        next(response.iter_raw())
    assert engine.disconnected.wait(HANG_SECONDS)
