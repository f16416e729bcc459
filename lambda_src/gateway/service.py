"""Models and their answers. Knows neither HTTP nor Lambda."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gateway.chunks import Chunk, Identity, chunks, says_something
from gateway.dialects import documents
from gateway.errors import ModelNotFoundError
from gateway.schema import ChatRequest


class Invocation(Protocol):
    """The bytes of an endpoint's answer: see `gateway.endpoints.Invocation`."""

    def __iter__(self) -> Iterator[bytes]: ...

    def interrupt(self) -> None: ...


class Endpoints(Protocol):
    """Where endpoints are asked: see `gateway.endpoints.Endpoints`."""

    def invoke(self, endpoint: str, body: bytes) -> Invocation: ...


class Models:
    """The models that are served here.

    Args:
        by_name: endpoint of each model name and alias.
    """

    def __init__(self, by_name: Mapping[str, str], endpoints: Endpoints) -> None:
        self._by_name = by_name
        self._endpoints = endpoints

    def list(self) -> dict[str, Any]:
        """All models, in OpenAI's shape."""
        return {"object": "list", "data": [_model(name) for name in self._by_name]}

    def get(self, name: str) -> dict[str, Any]:
        """One model, in OpenAI's shape.

        Raises:
            ModelNotFoundError: there is none of this name.
        """
        self._endpoint(name)
        return _model(name)

    def chat(self, request: ChatRequest, request_id: str) -> ChatAnswer:
        """The answer to a chat request; the model is asked when it is iterated.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        identity = Identity(f"chatcmpl-{request_id}", request.model, int(time.time()))
        return ChatAnswer(self._endpoints, self._endpoint(request.model), request, identity)

    def _endpoint(self, name: str) -> str:
        try:
            return self._by_name[name]
        except KeyError:
            raise ModelNotFoundError(name) from None


def _model(name: str) -> dict[str, Any]:
    # When a model was made is not known here; a time of our own would change with every instance.
    return {"id": name, "object": "model", "created": 0, "owned_by": "sagemaker"}


class ChatAnswer:
    """A model's answer, chunk by chunk. Iterated in one thread, once; closed from any.

    Attributes:
        usage: the token counts, once the engine told them.
        first_token_at: `time.monotonic()` of the first chunk that says something.
    """

    def __init__(self, endpoints: Endpoints, endpoint: str, request: ChatRequest, identity: Identity) -> None:
        self._endpoints = endpoints
        self._endpoint = endpoint
        self._request = request
        self._identity = identity
        self._invocation: Invocation | None = None
        self._closed = threading.Event()
        self.usage: dict[str, Any] | None = None
        self.first_token_at: float | None = None

    def __iter__(self) -> Iterator[Chunk]:
        """Chunks as they come.

        Raises:
            ApiError: the endpoint, the model or the line failed.
        """
        self._invocation = self._endpoints.invoke(self._endpoint, self._request.engine_body())
        for chunk in chunks(documents(self._parts(self._invocation)), self._identity):
            self.usage = chunk["usage"] or self.usage
            if self.first_token_at is None and says_something(chunk):
                self.first_token_at = time.monotonic()
            yield chunk

    def _parts(self, invocation: Invocation) -> Iterator[bytes]:
        for part in invocation:
            if self._closed.is_set():
                return
            yield part

    def close(self) -> None:
        """Stop the model's work for this answer, if it still goes on."""
        self._closed.set()
        if self._invocation is not None:
            self._invocation.interrupt()


def shown_to_streaming_client(chunk: Chunk, request: ChatRequest) -> Chunk | None:
    """The chunk as a client asked for it: token counts only on request; None if nothing is left of it."""
    if request.include_usage:
        return chunk
    without = {key: value for key, value in chunk.items() if key != "usage"}
    return without if chunk["choices"] else None
