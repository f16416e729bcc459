"""Embeddings of vLLM and llama.cpp (OpenAI's dialect) and Text Embeddings Inference, as floats and base64."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from gateway.embeddings import Embeddings
from gateway.errors import ApiError, ModelError
from gateway.schema import EmbeddingRequest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gateway import read

VECTORS = [[0.5, -1.25], [2.0, 0.0]]
USAGE = {"prompt_tokens": 4, "total_tokens": 4}


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def request(encoding: str | None, inputs: Any = ("a", "b")) -> EmbeddingRequest:
    options = {} if encoding is None else {"encoding_format": encoding}
    return EmbeddingRequest.parse(json.dumps({"model": "m", "input": inputs, **options}).encode())


def openai(vectors: list[Any]) -> dict[str, Any]:
    # Reversed: engines that work in parallel may change the order.
    data = [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    return {"object": "list", "data": data[::-1], "model": "/opt/ml/model", "usage": USAGE}


def convert(document: Any, request: EmbeddingRequest) -> dict[str, Any]:
    (response,) = read(Embeddings(request, "m"), [json.dumps(document).encode()])
    return response


@pytest.mark.parametrize("engine", [openai(VECTORS), openai([packed(v) for v in VECTORS]), VECTORS])
@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_all_dialects_and_encodings(engine: Any, encoding: str | None) -> None:
    response = convert(engine, request(encoding))
    expected = [packed(v) for v in VECTORS] if encoding == "base64" else VECTORS
    assert response == {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(expected)],
        "model": "m",
        "usage": None if engine is VECTORS else USAGE,
    }


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "x",
        VECTORS[:1],
        openai(VECTORS[:1]),
        {"data": [{"embedding": [1]}, {"embedding": [1]}]},
        openai([7, 7]),
        {"error": {"message": "out of memory", "code": 500}},
    ],
)
def test_mismatching_responses_are_model_errors(document: Any) -> None:
    for encoding in ("float", "base64"):
        with pytest.raises(ModelError):
            convert(document, request(encoding))


@pytest.mark.parametrize(("vector", "encoding"), [("%%", "float"), ("AAA=", "float"), (["a"], "base64")])
def test_malformed_vectors_are_model_errors(vector: Any, encoding: str) -> None:
    with pytest.raises(ModelError):
        convert(openai([vector, vector]), request(encoding))


def test_truncated_json_is_a_model_error() -> None:
    with pytest.raises(ModelError):
        read(Embeddings(request(None), "m"), [b'{"data": ['])


def test_engine_errors_are_passed_on() -> None:
    with pytest.raises(ApiError) as caught:
        convert({"object": "error", "message": "dimensions is not supported", "code": 400}, request(None))
    assert caught.value.status == 400


@given(st.lists(st.integers(0, 200), max_size=20))
def test_responses_split_anywhere_give_the_same_vectors(places: list[int]) -> None:
    data = json.dumps(openai(VECTORS)).encode()
    at = sorted({min(place, len(data)) for place in places})
    parts = [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]
    assert read(Embeddings(request(None), "m"), parts) == [convert(openai(VECTORS), request(None))]
