"""Engines' embeddings → OpenAI's list of them."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.engine_errors import engine_error
from gateway.errors import ModelError
from gateway.schema import EmbeddingRequest


def embeddings(parts: Iterable[bytes], request: EmbeddingRequest, model: str) -> Iterator[dict[str, Any]]:
    """The one document that answers `request`.

    Args:
        parts: the engine's answer, split anywhere.
        request: what was asked.
        model: the name that the client knows the model by.

    Raises:
        ApiError: the engine reports an error, or its answer is not what was asked for.
    """
    answer = _decode(b"".join(parts))
    vectors, usage = _of_openai(answer) if isinstance(answer, dict) else (answer, None)
    if not isinstance(vectors, list) or len(vectors) != request.count:
        raise ModelError(cause=f"not {request.count} vectors")
    yield {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encode(vector, request.base64)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        # Text Embeddings Inference counts in headers, which SageMaker keeps.
        "usage": usage,
    }


def _decode(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ModelError(cause=f"answer of {len(data)} bytes is not JSON") from None


def _of_openai(answer: dict[str, Any]) -> tuple[Any, Any]:
    error = answer.get("error") or (answer if answer.get("object") == "error" else None)
    if error:
        raise engine_error(error)
    try:
        items = sorted(answer["data"], key=lambda item: int(item["index"]))
        return [item["embedding"] for item in items], answer.get("usage")
    except (KeyError, TypeError, ValueError):
        raise ModelError(cause=f"answer has no embeddings, but {sorted(answer)}") from None


def _encode(vector: Any, wanted: bool) -> Any:
    """A vector as the client wants it: some engines only know numbers."""
    if not isinstance(vector, str | list):
        raise ModelError(cause=f"a vector is {type(vector).__name__}")
    try:
        if isinstance(vector, str) == wanted:
            return vector
        if wanted:
            return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        packed = base64.b64decode(str(vector), validate=True)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    except (ValueError, struct.error):
        raise ModelError(cause="a vector is neither numbers nor base64 of them") from None
