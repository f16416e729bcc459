"""Operations that a model's container does not serve are refused without invoking it; LMI's embeddings."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

MESSAGES = [{"role": "user", "content": "Hi"}]
CHAT = ("/v1/chat/completions", {"messages": MESSAGES})
RESPONSES = ("/v1/responses", {"input": "Hi"})
ANTHROPIC = ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9})
TOKENS = ("/v1/messages/count_tokens", {"messages": MESSAGES})
COMPLETION = ("/v1/completions", {"prompt": "Hi"})
EMBEDDING = ("/v1/embeddings", {"input": ["a", "b"]})
RERANK = ("/v1/rerank", {"query": "a", "documents": ["b"]})
SCORE = ("/v1/score", {"text_1": "a", "text_2": "b"})


@pytest.mark.parametrize(
    ("model", "request_", "text"),
    [
        ("chatty", COMPLETION, "serves chat completions, not completions."),
        ("chatty", EMBEDDING, "serves chat completions, not embeddings."),
        ("chatty", RERANK, "serves chat completions, not rankings."),
        ("chatty", SCORE, "serves chat completions, not scores."),
        ("tgi", EMBEDDING, "serves chat completions and completions, not embeddings."),
        ("lmi", CHAT, "serves embeddings, not chat completions."),
        ("lmi", RESPONSES, "serves embeddings, not chat completions."),
        ("lmi", ANTHROPIC, "serves embeddings, not chat completions."),
        ("lmi", TOKENS, "serves embeddings, not chat completions."),
        ("vectors", COMPLETION, "serves embeddings, rankings and scores, not completions."),
    ],
)
def test_what_the_container_does_not_serve_is_refused(
    client: httpx.Client, engine: Any, model: str, request_: tuple[str, dict[str, Any]], text: str
) -> None:
    path, members = request_
    response = client.post(path, json={"model": model, **members})
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["message"] == f"The model {model!r} {text}"
    assert error["type"] == "invalid_request_error"
    if path not in (ANTHROPIC[0], TOKENS[0]):
        assert error["param"] == "model"
    assert engine.bodies == []


@pytest.mark.parametrize(("value", "inputs"), [("a", ["a"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]])])
def test_lmi_gets_its_own_form_of_embeddings(
    client: httpx.Client, engine: Any, value: Any, inputs: list[Any]
) -> None:
    vectors = [[0.5, -1.5], [2.0, 0.25]][: len(inputs)]
    # `embedding_output_formatter` of djl-serving: the vectors alone, and a line break.
    engine.respond(json.dumps(vectors).encode() + b"\n")
    body = {"model": "lmi", "input": value, "encoding_format": "float", "user": "me"}
    response = client.post("/v1/embeddings", json=body)
    assert response.status_code == 200, response.text
    assert engine.bodies == [{"inputs": inputs}]
    assert [item["embedding"] for item in response.json()["data"]] == vectors
    assert response.json()["usage"] is None


def test_lmi_has_one_length_of_vectors(client: httpx.Client, engine: Any) -> None:
    response = client.post("/v1/embeddings", json={"model": "lmi", "input": "a", "dimensions": 2})
    assert (response.status_code, response.json()["error"]["param"]) == (400, "dimensions")
    assert engine.bodies == []
