"""The gateway's process, asked over HTTP, in front of scripted engines."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import openai
import pytest

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "a prompt that must not be logged"}]}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def sse(document: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


def delta(content: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}]}


ANSWER = [
    sse(delta("Grüß ")),
    sse(delta("dich 🙂", "stop")),
    sse({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]


def events(response: httpx.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_a_whole_answer(client: httpx.Client, engine: Any) -> None:
    engine.says(*ANSWER)
    response = client.post("/v1/chat/completions", json=CHAT)
    assert response.status_code == 200
    answer = response.json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "demo"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "Grüß dich 🙂"}
    assert answer["usage"] == USAGE
    assert engine.asked[0]["stream"] is True
    assert "model" not in engine.asked[0]


@pytest.mark.parametrize("size", [1, 7])
def test_parts_that_end_anywhere(client: httpx.Client, engine: Any, size: int) -> None:
    data = b"".join(ANSWER)
    engine.says(*(data[start : start + size] for start in range(0, len(data), size)))
    answer = client.post("/v1/chat/completions", json={**CHAT, "model": "org/demo"}).json()
    assert answer["choices"][0]["message"]["content"] == "Grüß dich 🙂"
    assert answer["model"] == "org/demo"


def test_chunks_are_passed_on_while_the_model_still_speaks(client: httpx.Client, engine: Any) -> None:
    seen = threading.Event()
    # The engine goes on only when the client has the first chunk in hand: a gateway that collects would hang.
    engine.says(ANSWER[0], lambda: seen.wait(10), *ANSWER[1:])
    with client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        assert first["choices"][0]["delta"] == {"content": "Grüß "}
        assert "usage" not in first
        seen.set()
        rest = [line for line in lines if line]
    assert json.loads(rest[0].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
    assert rest[1:] == ["data: [DONE]"]


def test_token_counts_come_where_they_were_asked_for(client: httpx.Client, engine: Any) -> None:
    engine.says(*ANSWER)
    asked = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, done = events(client.post("/v1/chat/completions", json=asked))
    assert done == "[DONE]"
    assert [chunk["usage"] for chunk in chunks] == [None, None, USAGE]


def test_an_error_in_mid_stream_is_an_event(client: httpx.Client, engine: Any) -> None:
    engine.says(ANSWER[0])
    engine.failure = ("ModelStreamError", "container at 10.0.0.1 died")
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    first, last = events(response)
    assert first["choices"][0]["delta"]["content"] == "Grüß "
    assert last["error"]["code"] == "model_error"
    assert "10.0.0.1" not in response.text


def test_a_stream_that_ends_early_is_an_error(client: httpx.Client, engine: Any) -> None:
    engine.says(ANSWER[0])
    assert events(client.post("/v1/chat/completions", json={**CHAT, "stream": True}))[-1]["error"]
    assert client.post("/v1/chat/completions", json=CHAT).status_code == 502


REFUSALS: list[tuple[int, str, dict[str, Any], int, str]] = [
    (400, "ValidationError", {"Message": "Endpoint demo of account 1 not found."}, 503, "model_unavailable"),
    (400, "ThrottlingException", {"Message": "Rate exceeded"}, 429, "rate_limit_exceeded"),
    (429, "ModelNotReadyException", {"Message": "wait"}, 503, "model_unavailable"),
    (503, "ServiceUnavailable", {"Message": "no"}, 503, "model_unavailable"),
    (403, "AccessDeniedException", {"Message": "User: arn:aws:iam::1:role/x"}, 500, "internal_error"),
    (424, "ModelError", {"OriginalStatusCode": 500, "OriginalMessage": "CUDA"}, 502, "model_error"),
    (424, "ModelError", {"Message": "Invocation timed out while waiting"}, 504, "model_timeout"),
    (
        424,
        "ModelError",
        {
            "OriginalStatusCode": 400,
            "OriginalMessage": '{"error": {"message": "maximum context length is 9"}}',
        },
        400,
        "context_length_exceeded",
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal[1]}-{refusal[3]}")
@pytest.mark.parametrize("stream", [False, True])
def test_refusals_have_openais_shape_and_status(
    client: httpx.Client, engine: Any, refusal: Any, stream: bool
) -> None:
    *engine.error, status, code = refusal
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.json()["error"]["code"] == code
    assert "arn:" not in response.text
    assert "account" not in response.text


def test_a_client_that_leaves_in_mid_stream_stops_the_model(gateway: Any, engine: Any) -> None:
    # Nothing is asked of the engine for as long as it likes: only a gateway that hangs up ends this.
    engine.says(ANSWER[0], *([lambda: time.sleep(0.01), ANSWER[0]] * 2000))
    with httpx.stream(
        "POST", f"{gateway.address}/v1/chat/completions", json={**CHAT, "stream": True}
    ) as response:
        request_id = response.headers["x-request-id"]
        next(response.iter_lines())
    assert engine.gone.wait(5)
    assert gateway.log_line(request_id)["status"] == 499


def test_a_client_that_leaves_before_the_first_word_stops_the_model(gateway: Any, engine: Any) -> None:
    asked = threading.Event()
    engine.says(asked.set, *([lambda: time.sleep(0.01), b": thinking\n\n"] * 2000))
    client = httpx.Client(base_url=gateway.address, timeout=httpx.Timeout(20, read=0.3))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=CHAT)
    client.close()
    assert asked.is_set()
    assert engine.gone.wait(5)


def test_models(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["demo", "org/demo"]
    assert client.get("/v1/models/demo").json() == listed["data"][0]
    assert client.get("/v1/models/org/demo").json() == listed["data"][1]
    missing = client.get("/v1/models/other")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_an_unknown_model_asks_no_endpoint(client: httpx.Client, engine: Any) -> None:
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "gpt-5"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert response.json()["error"]["param"] == "model"
    assert engine.asked == []


def test_malformed_json(client: httpx.Client, engine: Any) -> None:
    response = client.post("/v1/chat/completions", content=b'{"model": ')
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert engine.asked == []


def test_the_official_client_understands_answers_streams_and_errors(gateway: Any, engine: Any) -> None:
    client = openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="unused", max_retries=0)
    ask = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
    engine.says(*ANSWER)
    assert client.chat.completions.create(**ask).choices[0].message.content == "Grüß dich 🙂"  # type: ignore[call-overload]
    pieces = [chunk.choices[0].delta.content for chunk in client.chat.completions.create(**ask, stream=True)]  # type: ignore[call-overload]
    assert "".join(pieces) == "Grüß dich 🙂"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")
    engine.error = (400, "ThrottlingException", {})
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ask)  # type: ignore[call-overload]
    engine.reset()
    engine.says(ANSWER[0])
    with pytest.raises(openai.APIError, match="ended early"):
        list(client.chat.completions.create(**ask, stream=True))  # type: ignore[call-overload]
