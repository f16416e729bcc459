"""The gateway's process, asked over HTTP, in front of scripted engines: what is answered."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection
from typing import Any

import httpx
import openai
import pytest

from tests.support.gateway import ANSWER, CHAT, USAGE, events, sse
from tests.support.patience import HANG_SECONDS


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
    engine.says(ANSWER[0], lambda: seen.wait(HANG_SECONDS), *ANSWER[1:])
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


def test_a_client_that_leaves_in_mid_stream_stops_the_model(gateway: Any, engine: Any) -> None:
    engine.says_for_ever(ANSWER[0], ANSWER[0])
    url = f"{gateway.address}/v1/chat/completions"
    with httpx.stream("POST", url, json={**CHAT, "stream": True}, timeout=HANG_SECONDS) as response:
        request_id = response.headers["x-request-id"]
        next(response.iter_lines())
    assert engine.gone.wait(HANG_SECONDS)
    assert gateway.log_line(request_id)["status"] == 499


def test_a_client_that_leaves_before_the_first_word_stops_the_model(gateway: Any, engine: Any) -> None:
    asked = threading.Event()
    engine.says_for_ever(asked.set, b": thinking\n\n")
    client = HTTPConnection(gateway.address.removeprefix("http://"))
    client.request("POST", "/v1/chat/completions", json.dumps(CHAT), {"content-type": "application/json"})
    assert asked.wait(HANG_SECONDS)
    client.close()
    assert engine.gone.wait(HANG_SECONDS)


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
