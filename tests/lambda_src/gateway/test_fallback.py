"""The fallback responds for a model without capacity."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway import CHAT, RESPONSE, events, sse

NOT_FOUND = {"Message": "Endpoint demo of account 123456789012 not found."}
NO_CAPACITY = [
    (400, "ValidationError", NOT_FOUND),
    (400, "ThrottlingException", {}),
    (429, "ModelNotReadyException", {}),
    (503, "ServiceUnavailable", {}),
    (424, "ModelError", {"OriginalStatusCode": 429, "OriginalMessage": "Model is overloaded"}),
]


@pytest.mark.parametrize("error", NO_CAPACITY, ids=lambda error: error[1])
def test_the_fallback_responds_when_the_model_has_no_capacity(
    client: httpx.Client, engine: Any, error: Any
) -> None:
    engine.respond(*RESPONSE)
    engine.error = error
    # More than the fallback's ceiling, to which it is lowered.
    whole = client.post("/v1/chat/completions", json={**CHAT, "model": "safe", "max_tokens": 99})
    assert whole.headers["x-fallback-model"] == "backup"
    assert whole.json()["model"] == "backup"
    assert [body["max_tokens"] for body in engine.bodies] == [99, 50]
    streamed = client.post("/v1/chat/completions", json={**CHAT, "model": "safe", "stream": True})
    assert streamed.headers["x-fallback-model"] == "backup"
    assert {event["model"] for event in events(streamed)[:-1]} == {"backup"}


def test_other_failures_do_not_fall_back(client: httpx.Client, engine: Any) -> None:
    engine.error = (424, "ModelError", {"OriginalStatusCode": 500, "OriginalMessage": "CUDA"})
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "safe"}).status_code == 502
    assert len(engine.bodies) == 1


def test_no_fallback_after_the_first_chunk(client: httpx.Client, engine: Any) -> None:
    engine.respond(RESPONSE[0], sse({"error": {"message": "Model is overloaded", "type": "overloaded"}}))
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "safe", "stream": True})
    assert "x-fallback-model" not in response.headers
    assert events(response)[-1]["error"]["code"] == "rate_limit_exceeded"
    assert len(engine.bodies) == 1


def test_without_any_capacity_the_first_error_is_returned(client: httpx.Client, engine: Any) -> None:
    engine.error, engine.failing = (400, "ThrottlingException", {}), ("demo", "backup")
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "safe"})
    assert (response.status_code, "x-fallback-model" in response.headers) == (429, False)
    assert len(engine.bodies) == 2


def test_a_fallback_of_another_kind_is_not_invoked(client: httpx.Client, engine: Any) -> None:
    engine.error = (503, "ServiceUnavailable", {})
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "short"}).status_code == 503
    assert len(engine.bodies) == 1
