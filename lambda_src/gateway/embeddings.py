"""Engines' embeddings → OpenAI's list of embeddings."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from gateway.engine_errors import engine_error
from gateway.errors import ModelError
from gateway.schema import EmbeddingRequest


class Embeddings:
    """Bytes of an engine's response, split anywhere → the response to `request`.

    Args:
        request: the client's request.
        model: the model's name as the client wrote it.
    """

    def __init__(self, request: EmbeddingRequest, model: str) -> None:
        self._request = request
        self._model = model
        self._parts: list[bytes] = []

    def feed(self, part: bytes) -> tuple[dict[str, Any], ...]:
        """Nothing: a part of an array cannot be converted."""
        self._parts.append(part)
        return ()

    def end(self) -> tuple[dict[str, Any], ...]:
        """The response, as the only item.

        Raises:
            ApiError: the engine reports an error, or its response does not match the request.
        """
        document = _decode(b"".join(self._parts))
        vectors, usage = _parse_openai(document) if isinstance(document, dict) else (document, None)
        if not isinstance(vectors, list) or len(vectors) != self._request.count:
            raise ModelError(cause=f"response does not have {self._request.count} vectors")
        response = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _encode(vector, self._request.base64)}
                for index, vector in enumerate(vectors)
            ],
            "model": self._model,
            # Text Embeddings Inference sends token counts in headers, which SageMaker drops.
            "usage": usage,
        }
        return (response,)


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
