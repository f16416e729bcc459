"""Requests over HTTP to the gateway's process, in front of a scripted engine."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest

from tests.support.gateway import CHAT, RESPONSE, USAGE, events, sse
from tests.support.lazy import lazy
from tests.support.patience import HANG_SECONDS

openai = lazy("openai")


def test_a_whole_response(client: httpx.Client, engine: Any) -> None:
    engine.respond(*RESPONSE)
    response = client.post("/v1/chat/completions", json=CHAT)
    assert response.status_code == 200
    body = response.json()
    assert body["object"] == "chat.completion"
    assert body["model"] == "demo"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Grüß dich 🙂"}
    assert body["usage"] == USAGE
    assert engine.bodies[0]["stream"] is True
    assert "model" not in engine.bodies[0]


@pytest.mark.parametrize("size", [1, 7])
def test_responses_split_anywhere(client: httpx.Client, engine: Any, size: int) -> None:
    data = b"".join(RESPONSE)
    engine.respond(*(data[start : start + size] for start in range(0, len(data), size)))
    body = client.post("/v1/chat/completions", json={**CHAT, "model": "org/demo"}).json()
    assert body["choices"][0]["message"]["content"] == "Grüß dich 🙂"
    assert body["model"] == "org/demo"


def test_chunks_arrive_before_the_model_finishes(client: httpx.Client, engine: Any) -> None:
    first_chunk_received = threading.Event()
    # The engine waits until the client has the first chunk: a gateway that collects chunks would hang.
    engine.respond(RESPONSE[0], lambda: first_chunk_received.wait(HANG_SECONDS), *RESPONSE[1:])
    with client.stream("POST", "/v1/chat/completions", json={**CHAT, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        first = json.loads(next(lines).removeprefix("data: "))
        assert first["choices"][0]["delta"] == {"content": "Grüß "}
        assert "usage" not in first
        first_chunk_received.set()
        rest = [line for line in lines if line]
    assert json.loads(rest[0].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
    assert rest[1:] == ["data: [DONE]"]


def test_streams_include_usage_on_request(client: httpx.Client, engine: Any) -> None:
    engine.respond(*RESPONSE)
    request = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    *chunks, done = events(client.post("/v1/chat/completions", json=request))
    assert done == "[DONE]"
    assert [chunk["usage"] for chunk in chunks] == [None, None, USAGE]


def test_disconnect_during_a_stream_stops_the_model(gateway: Any, engine: Any) -> None:
    engine.respond_forever(RESPONSE[0], RESPONSE[0])
    url = f"{gateway.address}/v1/chat/completions"
    with httpx.stream("POST", url, json={**CHAT, "stream": True}, timeout=HANG_SECONDS) as response:
        request_id = response.headers["x-request-id"]
        next(response.iter_lines())
    assert engine.disconnected.wait(HANG_SECONDS)
    assert gateway.log_line(request_id)["status"] == 499


def test_disconnect_before_the_first_token_stops_the_model(gateway: Any, engine: Any) -> None:
    invoked = threading.Event()
    engine.respond_forever(invoked.set, b": thinking\n\n")
    client = HTTPConnection(gateway.address.removeprefix("http://"))
    client.request("POST", "/v1/chat/completions", json.dumps(CHAT), {"content-type": "application/json"})
    assert invoked.wait(HANG_SECONDS)
    client.close()
    assert engine.disconnected.wait(HANG_SECONDS)


def test_models(client: httpx.Client) -> None:
    response = client.get("/v1/models").json()
    assert response["object"] == "list"
    assert [model["id"] for model in response["data"]][:3] == ["demo", "org/demo", "safe"]
    assert client.get("/v1/models/demo").json() == response["data"][0]
    assert client.get("/v1/models/org/demo").json() == response["data"][1]
    missing = client.get("/v1/models/other")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


def test_an_unknown_model_invokes_no_endpoint(client: httpx.Client, engine: Any) -> None:
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "gpt-5"})
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert response.json()["error"]["param"] == "model"
    assert engine.bodies == []


def test_malformed_json(client: httpx.Client, engine: Any) -> None:
    response = client.post("/v1/chat/completions", content=b'{"model": ')
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert engine.bodies == []


@pytest.fixture
def openai_client(gateway: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.address}/v1", api_key="unused", max_retries=0)


def chat(client: openai.OpenAI, **options: Any) -> Any:
    messages: Any = [{"role": "user", "content": "Hi"}]
    return client.chat.completions.create(model="demo", messages=messages, **options)


def test_the_openai_client_reads_whole_and_streamed_chats(openai_client: openai.OpenAI, engine: Any) -> None:
    engine.respond(*RESPONSE)
    assert chat(openai_client).choices[0].message.content == "Grüß dich 🙂"
    texts = [chunk.choices[0].delta.content for chunk in chat(openai_client, stream=True)]
    assert "".join(texts) == "Grüß dich 🙂"


def test_the_openai_client_raises_its_exceptions(openai_client: openai.OpenAI, engine: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("other")
    engine.error = (400, "ThrottlingException", {})
    with pytest.raises(openai.RateLimitError):
        chat(openai_client)


def test_the_openai_client_raises_errors_in_streams(openai_client: openai.OpenAI, engine: Any) -> None:
    engine.respond(RESPONSE[0])
    with pytest.raises(openai.APIError, match="ended early"):
        list(chat(openai_client, stream=True))


def text(content: str, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "text": content, "finish_reason": finish}]}


TEXTS = [
    sse(text("Once ")),
    sse(text("upon", "length")),
    sse({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
]


def test_a_plain_completion(client: httpx.Client, engine: Any) -> None:
    engine.respond(*TEXTS)
    request = {"model": "demo", "prompt": ["Tell"], "best_of": 1, "logit_bias": {"5": 1}}
    body = client.post("/v1/completions", json=request).json()
    assert body["object"] == "text_completion"
    assert body["id"].startswith("cmpl-")
    assert (body["choices"][0]["text"], body["usage"]) == ("Once upon", USAGE)
    assert {key: engine.bodies[0][key] for key in ("prompt", "best_of", "logit_bias")} == {
        key: request[key] for key in ("prompt", "best_of", "logit_bias")
    }
    *chunks, done = events(client.post("/v1/completions", json={**request, "stream": True}))
    assert done == "[DONE]"
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["Once ", "upon"]


VECTORS = [[0.5, -1.5], [2.0, 0.25]]


def test_the_openai_client_reads_embeddings(openai_client: openai.OpenAI, engine: Any) -> None:
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(VECTORS)]
    whole = json.dumps({"data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}).encode()
    engine.respond(whole[:30], whole[30:])
    response = openai_client.embeddings.create(model="demo", input=["a", "b"])
    # The client requests base64 by default, and decodes it.
    assert engine.bodies[0] == {"input": ["a", "b"], "encoding_format": "base64"}
    assert [item.embedding for item in response.data] == VECTORS
    assert response.usage.prompt_tokens == 2


def test_the_openai_client_reads_embeddings_of_tei(openai_client: openai.OpenAI, engine: Any) -> None:
    engine.respond(json.dumps(VECTORS[:1]).encode())
    response = openai_client.embeddings.create(model="vectors", input="a", dimensions=2)
    assert engine.bodies[0] == {"inputs": ["a"], "dimensions": 2}
    assert [item.embedding for item in response.data] == VECTORS[:1]


def test_chats_with_an_embedding_model_are_refused(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(model="vectors", messages=[{"role": "user", "content": "Hi"}])
    assert caught.value.param == "model"


def test_the_default_token_limit_is_sent(client: httpx.Client, engine: Any) -> None:
    engine.respond(*RESPONSE)
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "short"}).status_code == 200
    assert engine.bodies[0]["max_tokens"] == 7


def test_requests_beyond_the_token_ceiling_get_400(client: httpx.Client) -> None:
    refused = client.post(
        "/v1/chat/completions", json={**CHAT, "model": "short", "max_completion_tokens": 10}
    )
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_completion_tokens")


def test_requests_beyond_the_body_limit_get_413(client: httpx.Client) -> None:
    large = client.post("/v1/chat/completions", json={**CHAT, "model": "short", "user": "x" * 1000})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "request_too_large")
    huge = client.post("/v1/chat/completions", content=b" " * (6 * 1024 * 1024 + 1))
    assert huge.status_code == 413


def test_streams_from_a_serverless_endpoint(client: httpx.Client, engine: Any) -> None:
    message = {"role": "assistant", "content": "Hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    engine.respond(json.dumps({"choices": [choice], "usage": USAGE}).encode())
    first, done = events(client.post("/v1/chat/completions", json={**CHAT, "model": "small", "stream": True}))
    assert engine.paths == ["/endpoints/small/invocations"]
    assert engine.bodies[0]["stream"] is False
    assert "stream_options" not in engine.bodies[0]
    assert (first["choices"][0]["delta"]["content"], done) == ("Hello", "[DONE]")
