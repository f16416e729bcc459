"""Engines' embeddings → OpenAI's list of embeddings."""

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
    """The response to `request`, as the only item.

    Args:
        parts: the engine's response, split anywhere.
        request: the client's request.
        model: the model's name as the client wrote it.

    Raises:
        ApiError: the engine reports an error, or its response does not match the request.
    """
    document = _decode(b"".join(parts))
    vectors, usage = _parse_openai(document) if isinstance(document, dict) else (document, None)
    if not isinstance(vectors, list) or len(vectors) != request.count:
        raise ModelError(cause=f"response does not have {request.count} vectors")
    yield {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encode(vector, request.base64)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        # Text Embeddings Inference sends token counts in headers, which SageMaker drops.
        "usage": usage,
    }


def _decode(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ModelError(cause=f"response of {len(data)} bytes is not JSON") from None


def _parse_openai(document: dict[str, Any]) -> tuple[Any, Any]:
    error = document.get("error") or (document if document.get("object") == "error" else None)
    if error:
        raise engine_error(error)
    try:
        items = sorted(document["data"], key=lambda item: int(item["index"]))
        return [item["embedding"] for item in items], document.get("usage")
    except (KeyError, TypeError, ValueError):
        raise ModelError(cause=f"response has no embeddings, but {sorted(document)}") from None


def _encode(vector: Any, as_base64: bool) -> Any:
    """A vector in the client's encoding; some engines only produce numbers."""
    if not isinstance(vector, str | list):
        raise ModelError(cause=f"a vector is {type(vector).__name__}")
    try:
        if isinstance(vector, str) == as_base64:
            return vector
        if as_base64:
            return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        packed = base64.b64decode(str(vector), validate=True)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    except (ValueError, struct.error):
        raise ModelError(cause="a vector is neither numbers nor base64") from None
