"""The gateway's process, asked over HTTP, in front of scripted engines."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import openai
import pytest

CONTEXT = "context_length_exceeded"
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


@pytest.mark.parametrize("failure", ["ModelStreamError", "InternalStreamFailure", "SomethingNew"])
def test_an_error_in_mid_stream_is_an_event(client: httpx.Client, engine: Any, failure: str) -> None:
    engine.says(ANSWER[0])
    engine.failure = (failure, {"Message": "container at 10.0.0.1 died", "ErrorCode": "StreamBroken"})
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    first, last = events(response)
    assert first["choices"][0]["delta"]["content"] == "Grüß "
    assert last["error"]["code"] == ("internal_error" if failure == "SomethingNew" else "model_error")
    assert "10.0.0.1" not in response.text


def test_a_stream_that_ends_early_is_an_error(client: httpx.Client, engine: Any) -> None:
    engine.says(ANSWER[0])
    assert events(client.post("/v1/chat/completions", json={**CHAT, "stream": True}))[-1]["error"]
    assert client.post("/v1/chat/completions", json=CHAT).status_code == 502


NOT_FOUND = {"Message": "Endpoint demo of account 123456789012 not found."}
TOO_LONG = '{"error": {"message": "maximum context length is 9"}}'
TIMED_OUT = {"Message": "Your invocation timed out while waiting for a response from container primary."}
DENIED = {"Message": "User: arn:aws:sts::123456789012:assumed-role/x is not authorized"}
# What SageMaker says, as botocore reads it from the wire → what the client is told.
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
def test_refusals_have_openais_shape_and_status(
    client: httpx.Client, engine: Any, refusal: Any, stream: bool
) -> None:
    *engine.error, status, code = refusal
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.json()["error"]["code"] == code
    # OpenAI's clients wait so long before they try again.
    assert response.headers.get("retry-after") == {429: "1", 503: "10"}.get(status)
    for secret in ("arn:", "123456789012", "demo", "primary", "ValidationE", "Traceback"):
        assert secret not in response.text


def test_a_prompt_that_is_too_long_is_named(client: httpx.Client, engine: Any) -> None:
    engine.error = (424, "ModelError", {"OriginalStatusCode": 400, "OriginalMessage": TOO_LONG})
    for path, body, param in (
        ("chat/completions", CHAT, "messages"),
        ("completions", {"model": "demo", "prompt": "Hi"}, "prompt"),
        ("embeddings", {"model": "demo", "input": "Hi"}, "input"),
    ):
        error = client.post(f"/v1/{path}", json=body).json()["error"]
        assert (error["code"], error["param"]) == (CONTEXT, param)


def test_a_line_that_breaks_is_no_answer(client: httpx.Client, engine: Any) -> None:
    engine.says(ANSWER[0])
    engine.cut = True
    assert client.post("/v1/chat/completions", json=CHAT).status_code == 502
    response = client.post("/v1/chat/completions", json={**CHAT, "stream": True})
    assert events(response)[-1]["error"]["code"] == "model_error"


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
    assert [model["id"] for model in listed["data"]][:3] == ["demo", "org/demo", "safe"]
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


def text(said: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": said, "finish_reason": finish}]}


TEXTS = [
    sse(text("Once ")),
    sse(text("upon", "length")),
    sse({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]


def test_a_plain_completion(client: httpx.Client, engine: Any) -> None:
    engine.says(*TEXTS)
    asked = {"model": "demo", "prompt": ["Tell"], "best_of": 1, "logit_bias": {"5": 1}}
    answer = client.post("/v1/completions", json=asked).json()
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert (answer["choices"][0]["text"], answer["usage"]) == ("Once upon", USAGE)
    assert {key: engine.asked[0][key] for key in ("prompt", "best_of", "logit_bias")} == {
        key: asked[key] for key in ("prompt", "best_of", "logit_bias")
    }
    *chunks, done = events(client.post("/v1/completions", json={**asked, "stream": True}))
    assert done == "[DONE]"
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Once ", "upon"]


def test_embeddings_as_the_official_client_asks_for_them(gateway: Any, engine: Any) -> None:
    client = openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="unused", max_retries=0)
    vectors = [[0.5, -1.5], [2.0, 0.25]]
    data = [{"index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    whole = json.dumps({"data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}).encode()
    engine.says(whole[:30], whole[30:])
    answer = client.embeddings.create(model="demo", input=["a", "b"])
    # The client asks for base64 by itself, and unpacks it.
    assert engine.asked[0] == {"input": ["a", "b"], "encoding_format": "base64"}
    assert [item.embedding for item in answer.data] == vectors
    assert answer.usage.prompt_tokens == 2
    engine.says(json.dumps(vectors[:1]).encode())
    answer = client.embeddings.create(model="vectors", input="a", dimensions=2)
    assert engine.asked[1] == {"inputs": ["a"], "dimensions": 2}
    assert [item.embedding for item in answer.data] == vectors[:1]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="vectors", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.param == "model"


NO_CAPACITY = [
    (400, "ValidationError", NOT_FOUND),
    (400, "ThrottlingException", {}),
    (429, "ModelNotReadyException", {}),
    (503, "ServiceUnavailable", {}),
    (424, "ModelError", {"OriginalStatusCode": 429, "OriginalMessage": "Model is overloaded"}),
]


@pytest.mark.parametrize("error", NO_CAPACITY, ids=lambda error: error[1])
def test_another_model_answers_when_the_first_has_no_capacity(
    client: httpx.Client, engine: Any, error: Any
) -> None:
    engine.says(*ANSWER)
    engine.error = error
    # More than the other model's ceiling: it gives what it has.
    whole = client.post("/v1/chat/completions", json={**CHAT, "model": "safe", "max_tokens": 99})
    assert whole.headers["x-fallback-model"] == "backup"
    assert whole.json()["model"] == "backup"
    assert [asked["max_tokens"] for asked in engine.asked] == [99, 50]
    streamed = client.post("/v1/chat/completions", json={**CHAT, "model": "safe", "stream": True})
    assert streamed.headers["x-fallback-model"] == "backup"
    assert {event["model"] for event in events(streamed)[:-1]} == {"backup"}


def test_what_would_fail_elsewhere_too_does_not_fall_back(client: httpx.Client, engine: Any) -> None:
    engine.error = (424, "ModelError", {"OriginalStatusCode": 500, "OriginalMessage": "CUDA"})
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "safe"}).status_code == 502
    assert len(engine.asked) == 1


def test_a_model_that_has_begun_to_answer_is_not_replaced(client: httpx.Client, engine: Any) -> None:
    engine.says(ANSWER[0], sse({"error": {"message": "Model is overloaded", "type": "overloaded"}}))
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "safe", "stream": True})
    assert "x-fallback-model" not in response.headers
    assert events(response)[-1]["error"]["code"] == "rate_limit_exceeded"
    assert len(engine.asked) == 1


def test_if_nobody_has_capacity_the_first_ones_error_counts(client: httpx.Client, engine: Any) -> None:
    engine.error, engine.failing = (400, "ThrottlingException", {}), ("demo", "backup")
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "safe"})
    assert (response.status_code, "x-fallback-model" in response.headers) == (429, False)
    assert len(engine.asked) == 2


def test_a_fallback_of_another_kind_is_not_asked(client: httpx.Client, engine: Any) -> None:
    engine.error = (503, "ServiceUnavailable", {})
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "short"}).status_code == 503
    assert len(engine.asked) == 1


def test_a_models_limits(client: httpx.Client, engine: Any) -> None:
    engine.says(*ANSWER)
    asked = {**CHAT, "model": "short"}
    assert client.post("/v1/chat/completions", json=asked).status_code == 200
    assert engine.asked[0]["max_tokens"] == 7
    refused = client.post("/v1/chat/completions", json={**asked, "max_completion_tokens": 10})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_completion_tokens")
    large = client.post("/v1/chat/completions", json={**asked, "user": "x" * 1000})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
    huge = client.post("/v1/chat/completions", content=b" " * (6 * 1024 * 1024 + 1))
    assert huge.status_code == 413


def test_a_serverless_endpoint_answers_whole_and_the_client_gets_a_stream(
    client: httpx.Client, engine: Any
) -> None:
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    engine.says(json.dumps({"choices": [choice], "usage": USAGE}).encode())
    first, done = events(client.post("/v1/chat/completions", json={**CHAT, "model": "small", "stream": True}))
    assert engine.paths == ["/endpoints/small/invocations"]
    assert engine.asked[0]["stream"] is False
    assert "stream_options" not in engine.asked[0]
    assert (first["choices"][0]["delta"]["content"], done) == ("Hello", "[DONE]")


@pytest.fixture(scope="module")
def impatient(start_gateway: Any) -> Any:
    models = {"demo": {"endpoint": "demo"}}
    gateway = start_gateway({"GATEWAY_MODELS": json.dumps(models), "GATEWAY_KEEPALIVE_SECONDS": "0.02"})
    gateway.wait_until_ready()
    return gateway


def test_a_streaming_client_hears_that_the_model_still_thinks(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    # The engine says nothing before the client has heard from the gateway.
    engine.says(lambda: heard.wait(10), *ANSWER)
    with httpx.stream(
        "POST", f"{impatient.address}/v1/chat/completions", json={**CHAT, "stream": True}
    ) as response:
        lines = response.iter_lines()
        assert next(lines) == ": keep-alive"
        heard.set()
        data = [line for line in lines if line.startswith("data: ")]
    assert json.loads(data[0].removeprefix("data: "))["choices"][0]["delta"]["content"] == "Grüß "
    assert data[-1] == "data: [DONE]"


def test_an_error_after_a_sign_of_life_is_an_event(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    engine.says(lambda: heard.wait(10), sse({"error": {"message": "boom", "code": 500}}))
    with httpx.stream(
        "POST", f"{impatient.address}/v1/chat/completions", json={**CHAT, "stream": True}
    ) as response:
        lines = response.iter_lines()
        assert next(lines) == ": keep-alive"
        heard.set()
        (data,) = [line for line in lines if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "model_error"


def test_a_whole_answer_that_takes_long_begins_with_white_space(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    engine.says(ANSWER[0], lambda: heard.wait(10), *ANSWER[1:])
    with httpx.stream("POST", f"{impatient.address}/v1/chat/completions", json=CHAT) as response:
        assert response.headers["content-type"] == "application/json"
        parts = response.iter_raw()
        begin = next(parts)
        assert begin.strip() == b""
        heard.set()
        answer = json.loads(begin + b"".join(parts))
    assert answer["choices"][0]["message"]["content"] == "Grüß dich 🙂"


def test_a_whole_answer_that_fails_late_breaks_off(impatient: Any, engine: Any) -> None:
    heard = threading.Event()
    engine.says(ANSWER[0], lambda: heard.wait(10))
    with httpx.stream("POST", f"{impatient.address}/v1/chat/completions", json=CHAT) as response:
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
    engine.says(ANSWER[0], *([lambda: time.sleep(0.01), ANSWER[0]] * 2000))
    with httpx.stream("POST", f"{impatient.address}/v1/chat/completions", json=CHAT) as response:
        next(response.iter_raw())
    assert engine.gone.wait(5)
