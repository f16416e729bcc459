"""The header `Server-Timing` tells the gateway's time from the model's, until the head of the response."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import httpx
import pytest

from tests.support.gateway import CHAT, RESPONSE
from tests.support.patience import HANG_SECONDS

PAUSE_SECONDS = 0.05


def times(response: httpx.Response) -> dict[str, float]:
    """Milliseconds by hop."""
    return {
        name: float(value)
        for name, value in re.findall(r"(\w+);dur=([0-9.]+)", response.headers.get("server-timing", ""))
    }


@pytest.mark.parametrize("stream", [False, True])
def test_the_time_of_the_model_is_its_own(client: httpx.Client, engine: Any, stream: bool) -> None:
    engine.respond(lambda: time.sleep(PAUSE_SECONDS), *RESPONSE)
    before = time.monotonic()
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    wall = (time.monotonic() - before) * 1000
    hops = times(response)
    assert list(hops) == ["gateway", "model"]
    assert hops["model"] >= PAUSE_SECONDS * 1000
    assert sum(hops.values()) <= wall + 0.1  # each is rounded


def test_the_time_of_a_stream_is_that_of_its_first_part(client: httpx.Client, engine: Any) -> None:
    received, waits = threading.Event(), list[bool]()
    engine.respond(RESPONSE[0], lambda: waits.append(received.wait(HANG_SECONDS)), *RESPONSE[1:])
    with client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as response:
        hops = times(response)
        received.set()
        response.read()
    assert list(hops) == ["gateway", "model"]
    assert waits == [True]


def test_a_model_that_has_not_responded_has_no_time(start_gateway: Any, engine: Any) -> None:
    received = threading.Event()
    models = {"demo": {"endpoint": "demo"}}
    gateway = start_gateway({"GATEWAY_MODELS": json.dumps(models), "GATEWAY_KEEPALIVE_SECONDS": "0.02"})
    gateway.wait_until_ready()
    engine.respond(lambda: received.wait(HANG_SECONDS), *RESPONSE)
    body = {**CHAT, "stream": True}
    url = f"{gateway.address}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, timeout=HANG_SECONDS) as response:
        received.set()
        response.read()
    assert list(times(response)) == ["gateway"]


def test_errors_have_no_time(client: httpx.Client) -> None:
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "unknown"})
    assert response.status_code == 404
    assert "server-timing" not in response.headers
