"""A model's response in progress: which endpoint is invoked, what arrives, how it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.chunks import has_content
from gateway.endpoints import Call, Endpoints, Invocation
from gateway.errors import (
    ContextLengthExceededError,
    InvalidRequestError,
    ModelUnavailableError,
    RateLimitError,
)
from gateway.settings import Model

_NO_CAPACITY: Final = (ModelUnavailableError, RateLimitError)


@dataclass(frozen=True)
class Caller:
    """The caller of a request.

    Attributes:
        request_id: part of the response's id, and passed to SageMaker.
        trace: X-Ray's header, if the request has one.
        key_name: name of the API key, which decides which models are allowed; empty if the key has none, None
            if the request does not come from API Gateway.
    """

    request_id: str
    trace: str | None = None
    key_name: str | None = ""


@dataclass(frozen=True)
class ModelRequest:
    """A request to one model's endpoint.

    Attributes:
        model: the model.
        body: the JSON for its endpoint.
        read: turns the endpoint's bytes into chunks, or into the one document.
    """

    model: Model
    body: bytes
    read: Callable[[Iterable[bytes]], Iterator[dict[str, Any]]]


class ModelResponse:
    """A model's response, chunk by chunk. Iterated once, in one thread; closed from any.

    Args:
        endpoints: the client for SageMaker's runtime.
        request: the request to the model that the client named.
        fallback: builds the request to the fallback model; None if there is none.
        caller: who sent the request.
        param: the member of the client's request that holds the prompt.

    Attributes:
        model: name of the model that responds.
        fallback: why another model than the requested one responds; None if it does not.
        usage: the token counts, once the engine has reported them.
        first_token_at: `time.monotonic()` of the first chunk with content.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        request: ModelRequest,
        fallback: Callable[[], ModelRequest] | None,
        caller: Caller,
        param: str,
    ) -> None:
        self._endpoints = endpoints
        self._request = request
        self._fallback = fallback
        self._caller = caller
        self._param = param
        self._invocation: Invocation | None = None
        self._closed = threading.Event()
        self._started = False
        self.model = request.model.name
        self.fallback: str | None = None
        self.usage: dict[str, Any] | None = None
        self.first_token_at: float | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Chunks as they arrive from the first model that has capacity.

        Raises:
            ApiError: the endpoint, the model or the connection failed. If no model has capacity, the error is
                that of the requested model.
        """
        try:
            yield from self._invoke(self._request)
        except _NO_CAPACITY as error:
            fallback = None if self._started else self._fallback_request()
            if fallback is None:
                raise
            self.model, self.fallback = fallback.model.name, f"{type(error).__name__}: {error.cause}"
            try:
                yield from self._invoke(fallback)
            except _NO_CAPACITY as fallback_error:
                self.model, self.fallback = self._request.model.name, None
                raise error from fallback_error

    def _fallback_request(self) -> ModelRequest | None:
        if self._fallback is None or self._closed.is_set():
            return None
        try:
            return self._fallback()
        except InvalidRequestError:
            # That model does not accept the request: it is too large, or of another kind.
            return None

    def _invoke(self, request: ModelRequest) -> Iterator[dict[str, Any]]:
        caller = self._caller
        model = request.model
        call = Call(model.endpoint, request.body, not model.serverless, caller.request_id, caller.trace)
        try:
            self._invocation = self._endpoints.invoke(call)
            for chunk in request.read(self._parts(self._invocation)):
                self._started = True
                self.usage = chunk["usage"] or self.usage
                if self.first_token_at is None and "choices" in chunk and has_content(chunk):
                    self.first_token_at = time.monotonic()
                yield chunk
        except ContextLengthExceededError as error:
            error.param = self._param
            raise

    def _parts(self, invocation: Invocation) -> Iterator[bytes]:
        if self._closed.is_set():
            # `close` came before there was an invocation to interrupt.
            invocation.interrupt()
        for part in invocation:
            if self._closed.is_set():
                return
            yield part

    def close(self) -> None:
        """Stop the model, unless it has finished."""
        self._closed.set()
        if self._invocation is not None:
            self._invocation.interrupt()
