"""Clients that wait for a model which thinks, and hear of it meanwhile."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest

from tests.support.gateway import ANSWER, CHAT, sse
from tests.support.patience import HANG_SECONDS


@pytest.fixture(scope="module")
def impatient(start_gateway: Any) -> Any:
    models = {"demo": {"endpoint": "demo"}}
    gateway = start_gateway({"GATEWAY_MODELS": json.dumps(models), "GATEWAY_KEEPALIVE_SECONDS": "0.02"})
    gateway.wait_until_ready()
    return gateway


def asking(gateway: Any, **more: Any) -> AbstractContextManager[httpx.Response]:
    url = f"{gateway.address}/v1/chat/completions"
    return httpx.stream("POST", url, json={**CHAT, **more}, timeout=HANG_SECONDS)


def test_a_streaming_client_hears_that_the_model_still_thinks(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    # The engine says nothing before the client has heard from the gateway.
    engine.says(lambda: heard.wait(HANG_SECONDS), *ANSWER)
    with asking(impatient, stream=True) as response:
        lines = response.iter_lines()
        assert next(lines) == ": keep-alive"
        heard.set()
        data = [line for line in lines if line.startswith("data: ")]
    assert json.loads(data[0].removeprefix("data: "))["choices"][0]["delta"]["content"] == "Grüß "
    assert data[-1] == "data: [DONE]"


def test_an_error_after_a_sign_of_life_is_an_event(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    engine.says(lambda: heard.wait(HANG_SECONDS), sse({"error": {"message": "boom", "code": 500}}))
    with asking(impatient, stream=True) as response:
        lines = response.iter_lines()
        assert next(lines) == ": keep-alive"
        heard.set()
        (data,) = [line for line in lines if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "model_error"


def test_a_whole_answer_that_takes_long_begins_with_white_space(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    engine.says(ANSWER[0], lambda: heard.wait(HANG_SECONDS), *ANSWER[1:])
    with asking(impatient) as response:
        assert response.headers["content-type"] == "application/json"
        parts = response.iter_raw()
        begin = next(parts)
        assert begin.strip() == b""
        heard.set()
        answer = json.loads(begin + b"".join(parts))
    assert answer["choices"][0]["message"]["content"] == "Grüß dich 🙂"


def test_a_whole_answer_that_fails_late_breaks_off(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    engine.says(ANSWER[0], lambda: heard.wait(HANG_SECONDS))
    with asking(impatient) as response:
        request_id = response.headers["x-request-id"]
        parts = response.iter_raw()
        next(parts)
        heard.set()
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
    line = impatient.log_line(request_id)
    assert (line["error"], line["ServerErrors"]) == ("ModelError", 1)
    assert "Traceback" not in impatient.log.read_text()


def test_a_client_that_leaves_a_late_answer_stops_the_model(impatient: Any, engine: Any) -> None:
    engine.says_for_ever(ANSWER[0], ANSWER[0])
    with asking(impatient) as response:
        next(response.iter_raw())
    assert engine.gone.wait(HANG_SECONDS)
