"""An answer while it is made: whom it is asked of, what comes, and how it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.chunks import says_something
from gateway.endpoints import Call
from gateway.errors import (
    ContextLengthExceededError,
    InvalidRequestError,
    ModelUnavailableError,
    RateLimitError,
)
from gateway.settings import Model

_NO_CAPACITY: Final = (ModelUnavailableError, RateLimitError)


class Invocation(Protocol):
    """The bytes of an endpoint's answer: see `gateway.endpoints.Invocation`."""

    def __iter__(self) -> Iterator[bytes]: ...

    def interrupt(self) -> None: ...


class Endpoints(Protocol):
    """Where endpoints are asked: see `gateway.endpoints.Endpoints`."""

    def invoke(self, call: Call) -> Invocation: ...


@dataclass(frozen=True)
class Caller:
    """Whom an answer is for.

    Attributes:
        request_id: part of the answer's id, and handed to SageMaker.
        trace: X-Ray's header, if the request has one.
        key_name: name of the API key, which decides on what may be asked; empty if it has none.
    """

    request_id: str
    trace: str | None = None
    key_name: str = ""


@dataclass(frozen=True)
class Question:
    """What one model is asked, and how its answer is read.

    Attributes:
        model: the model.
        body: for its endpoint.
        streamed: whether the endpoint can stream.
        read: makes chunks, or the one document, of the endpoint's bytes.
    """

    model: Model
    body: bytes
    streamed: bool
    read: Callable[[Iterable[bytes]], Iterator[dict[str, Any]]]


class Answer:
    """A model's answer, piece by piece. Iterated in one thread, once; closed from any.

    Attributes:
        model: own name of the model that answers.
        fallback: why that is not the model which was asked for; None if it is.
        usage: the token counts, once the engine told them.
        first_token_at: `time.monotonic()` of the first chunk that says something.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        question: Question,
        fallback: Callable[[], Question] | None,
        caller: Caller,
        param: str,
    ) -> None:
        self._endpoints = endpoints
        self._question = question
        self._fallback = fallback
        self._caller = caller
        self._param = param
        self._invocation: Invocation | None = None
        self._closed = threading.Event()
        self._begun = False
        self.model = question.model.name
        self.fallback: str | None = None
        self.usage: dict[str, Any] | None = None
        self.first_token_at: float | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Pieces as they come, of the first model that has capacity.

        Raises:
            ApiError: the endpoint, the model or the line failed. If no model has capacity, the error is that
                of the one which was asked for.
        """
        try:
            yield from self._pieces(self._question)
        except _NO_CAPACITY as error:
            other = None if self._begun else self._other()
            if other is None:
                raise
            self.model, self.fallback = other.model.name, f"{type(error).__name__}: {error.cause}"
            try:
                yield from self._pieces(other)
            except _NO_CAPACITY as second:
                self.model, self.fallback = self._question.model.name, None
                raise error from second

    def _other(self) -> Question | None:
        if self._fallback is None or self._closed.is_set():
            return None
        try:
            return self._fallback()
        except InvalidRequestError:
            # The request is not for that model: too large, or of another kind.
            return None

    def _pieces(self, question: Question) -> Iterator[dict[str, Any]]:
        caller = self._caller
        call = Call(
            question.model.endpoint, question.body, question.streamed, caller.request_id, caller.trace
        )
        try:
            self._invocation = self._endpoints.invoke(call)
            for piece in question.read(self._parts(self._invocation)):
                self._begun = True
                self.usage = piece["usage"] or self.usage
                if self.first_token_at is None and "choices" in piece and says_something(piece):
                    self.first_token_at = time.monotonic()
                yield piece
        except ContextLengthExceededError as error:
            error.param = self._param
            raise

    def _parts(self, invocation: Invocation) -> Iterator[bytes]:
        if self._closed.is_set():
            # Before there was anything to interrupt.
            invocation.interrupt()
        for part in invocation:
            if self._closed.is_set():
                return
            yield part

    def close(self) -> None:
        """Stop the model's work for this answer, if it still goes on."""
        self._closed.set()
        if self._invocation is not None:
            self._invocation.interrupt()
