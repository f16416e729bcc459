"""A model's response in progress: which endpoint is invoked, what arrives, how it is stopped."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from gateway.chunks import has_content
from gateway.endpoints import Call, Endpoints, Invocation
from gateway.errors import (
    ApiError,
    ContextLengthExceededError,
    InvalidRequestError,
    MissingPathError,
    ModelError,
    ModelUnavailableError,
    RateLimitError,
)
from gateway.pipeline import Stage
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
        reader: creates what turns the endpoint's bytes into chunks, or into the one document.
        max_tokens: the most tokens that the model generates; None if unknown.
        is_chat: whether it asks for the next message of a chat.
    """

    model: Model
    body: bytes
    reader: Callable[[], Stage]
    max_tokens: int | None = None
    is_chat: bool = False


# The request to a model, and what builds the one to its fallback; None if there is none.
Attempts = tuple[ModelRequest, Callable[[], ModelRequest] | None]


class ModelResponse:
    """A model's response, chunk by chunk. Iterated once, while another task may close it.

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
        max_tokens: the most tokens that the requested model generates; None if unknown.
        invoked_at: `time.monotonic()` when the endpoint that responds was invoked; None before.
        first_token_at: `time.monotonic()` of the first chunk with content.
        guard_action: what the guards did (`passed`, `replaced`, `blocked`, `failed`); None without guards.
        guard_cause: why they blocked a part.
        chunk_count: number of chunks; engines send about one per token.
        closed: whether the client has disconnected, so that no chunk is of use.
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
        self._started = False
        self.closed = False
        self.model = request.model.name
        self.fallback: str | None = None
        self.usage: dict[str, Any] | None = None
        self.max_tokens = request.max_tokens
        self.invoked_at: float | None = None
        self.first_token_at: float | None = None
        self.guard_action: str | None = None
        self.guard_cause: str | None = None
        self.chunk_count = 0

    async def batches(
        self, seconds: float = inf, *, steady: bool = False
    ) -> AsyncGenerator[list[dict[str, Any]] | None, None]:
        """Chunks as they arrive from the first model that has capacity: those that arrived together, at once.

        Args:
            seconds: yields None each time no chunk has arrived for this long.
            steady: yields None at this interval whether chunks arrive or not.

        Raises:
            ApiError: the endpoint, the model or the connection failed. If no model has capacity, the error is
                that of the requested model.
        """
        request, first_error = self._request, None
        while True:
            try:
                async with aclosing(self._invoke(request, seconds, steady)) as batches:
                    async for batch in batches:
                        yield batch
            except _NO_CAPACITY as error:
                if first_error is not None:
                    self.model, self.fallback = self._request.model.name, None
                    raise first_error from error
                fallback = None if self._started else self._fallback_request()
                if fallback is None:
                    raise
                request, first_error = fallback, error
                self.model, self.fallback = fallback.model.name, f"{type(error).__name__}: {error.cause}"
            else:
                return

    def _fallback_request(self) -> ModelRequest | None:
        if self._fallback is None or self.closed:
            return None
        try:
            return self._fallback()
        except InvalidRequestError:
            # That model does not accept the request: it is too large, or of another kind.
            return None

    async def _invoke(
        self, request: ModelRequest, seconds: float, steady: bool
    ) -> AsyncGenerator[list[dict[str, Any]] | None, None]:
        model, caller = request.model, self._caller
        call = Call(model.endpoint, request.body, not model.serverless, caller.request_id, caller.trace)
        due = time.monotonic() + seconds
        try:
            reader = request.reader()
            self.invoked_at = time.monotonic()
            self._invocation = await self._endpoints.invoke(call)
            data: bytes | None = None
            while data != b"" and not self.closed:
                data = await self._invocation.read(max(0, due - time.monotonic()))
                batch, error = self._read(reader.end() if data == b"" else reader.feed(data or b""))
                if batch:
                    yield batch
                if error is not None:
                    raise error
                now = time.monotonic()
                if batch and not steady:
                    due = now + seconds
                elif now >= due:
                    yield None
                    due = now + seconds
        except ContextLengthExceededError as error:
            error.param = self._param
            raise
        except MissingPathError as error:
            # Every model that generates text chats, so without a path its server is broken.
            raise (ModelError(cause=error.cause) if request.is_chat else error) from None
        except ApiError:
            if not self.closed:
                raise
        finally:
            if self._invocation is not None:
                self._invocation.close()

    def _read(self, new: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], ApiError | None]:
        """Chunks, and the error that follows them."""
        batch: list[dict[str, Any]] = []
        try:
            for chunk in new:
                batch.append(chunk)
                self.usage = chunk["usage"] or self.usage
                if self.first_token_at is None and "choices" in chunk and has_content(chunk):
                    self.first_token_at = time.monotonic()
        except ApiError as error:
            return batch, error
        finally:
            self._started = self._started or bool(batch)
            self.chunk_count += len(batch)
        return batch, None

    def close(self) -> None:
        """Stop the model, unless it has finished."""
        self.closed = True
        if self._invocation is not None:
            self._invocation.close()
