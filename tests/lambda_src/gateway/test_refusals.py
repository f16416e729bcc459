"""Errors of SageMaker and of engines, as the gateway's clients see them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.gateway import CHAT, RESPONSE, events

CONTEXT = "context_length_exceeded"
NOT_FOUND = {"Message": "Endpoint demo of account 123456789012 not found."}
TOO_LONG = '{"error": {"message": "maximum context length is 9"}}'
TIMED_OUT = {"Message": "Your invocation timed out while waiting for a response from container primary."}
DENIED = {"Message": "User: arn:aws:sts::123456789012:assumed-role/x is not authorized"}
# SageMaker's status, code and members → the status and code for the client.
REFUSALS: list[tuple[int, str, dict[str, Any], int, str | None]] = [
    (400, "ValidationError", NOT_FOUND, 503, "model_unavailable"),
    (400, "ValidationException", NOT_FOUND, 503, "model_unavailable"),
    (400, "ValidationError", {"Message": "Value at 'body' failed to satisfy"}, 413, "request_too_large"),
    (400, "ThrottlingException", {"Message": "Rate exceeded"}, 429, "rate_limit_exceeded"),
    (429, "TooManyRequestsException", {}, 429, "rate_limit_exceeded"),
    (429, "ModelNotReadyException", {"Message": "wait"}, 503, "model_unavailable"),
    (503, "ServiceUnavailable", {"Message": "no"}, 503, "model_unavailable"),
    (500, "InternalFailure", {"Message": "no"}, 503, "model_unavailable"),
    (530, "InternalDependencyException", {}, 503, "model_unavailable"),
    (403, "AccessDeniedException", DENIED, 500, "internal_error"),
    (403, "ExpiredTokenException", {"Message": "The security token expired"}, 500, "internal_error"),
    (500, "ModelStreamError", {"ErrorCode": "StreamBroken"}, 502, "model_error"),
    (500, "ModelStreamError", {"ErrorCode": "ModelInvocationTimeExceeded"}, 504, "model_timeout"),
    (500, "InternalStreamFailure", {}, 502, "model_error"),
    (424, "ModelError", {"OriginalStatusCode": 500, "OriginalMessage": "CUDA"}, 502, "model_error"),
    (424, "ModelError", {"OriginalStatusCode": 0, "OriginalMessage": ""}, 502, "model_error"),
    (424, "ModelError", {"OriginalStatusCode": 503, "OriginalMessage": "{}"}, 503, "model_unavailable"),
    (424, "ModelError", {"OriginalStatusCode": 429, "OriginalMessage": "{}"}, 429, "rate_limit_exceeded"),
    (424, "ModelError", {"OriginalStatusCode": 504, "OriginalMessage": "{}"}, 504, "model_timeout"),
    (424, "ModelError", TIMED_OUT, 504, "model_timeout"),
    (424, "ModelError", {"OriginalStatusCode": 422, "OriginalMessage": '{"detail": "bad"}'}, 400, None),
    (424, "ModelError", {"OriginalStatusCode": 400, "OriginalMessage": TOO_LONG}, 400, CONTEXT),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal[1]}-{refusal[3]}")
@pytest.mark.parametrize("stream", [False, True])
def test_sagemaker_errors_become_openai_errors(
    client: httpx.Client, engine: Any, refusal: Any, stream: bool
) -> None:
    *engine.error, status, code = refusal
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.json()["error"]["code"] == code
    # OpenAI's clients wait this long before they retry.
    assert response.headers.get("retry-after") == {429: "1", 503: "10"}.get(status)
    for secret in ("arn:", "123456789012", "demo", "primary", "ValidationE", "Traceback"):
        assert secret not in response.text


def test_too_long_prompts_name_their_parameter(client: httpx.Client, engine: Any) -> None:
    engine.error = (424, "ModelError", {"OriginalStatusCode": 400, "OriginalMessage": TOO_LONG})
    for path, body, param in (
        ("chat/completions", CHAT, "messages"),
        ("completions", {"model": "demo", "prompt": "Hi"}, "prompt"),
        ("embeddings", {"model": "demo", "input": "Hi"}, "input"),
    ):
        error = client.post(f"/v1/{path}", json=body).json()["error"]
        assert (error["code"], error["param"]) == (CONTEXT, param)


@pytest.mark.parametrize("failure", ["ModelStreamError", "InternalStreamFailure", "SomethingNew"])
def test_errors_during_a_stream_are_events(client: httpx.Client, engine: Any, failure: str) -> None:
    engine.respond(RESPONSE[0])
    engine.failure = (failure, {"Message": "container at 10.0.0.1 died", "ErrorCode": "StreamBroken"})
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    first, last = events(response)
    assert first["choices"][0]["delta"]["content"] == "Grüß "
    assert last["error"]["code"] == ("internal_error" if failure == "SomethingNew" else "model_error")
    assert "10.0.0.1" not in response.text


def test_a_truncated_stream_is_an_error(client: httpx.Client, engine: Any) -> None:
    engine.respond(RESPONSE[0])
    assert events(client.post("/v1/chat/completions", json={**CHAT, "stream": True}))[-1]["error"]
    assert client.post("/v1/chat/completions", json=CHAT).status_code == 502


def test_a_lost_connection_is_a_model_error(client: httpx.Client, engine: Any) -> None:
    engine.respond(RESPONSE[0])
    engine.cut = True
    assert client.post("/v1/chat/completions", json=CHAT).status_code == 502
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    assert events(response)[-1]["error"]["code"] == "model_error"
