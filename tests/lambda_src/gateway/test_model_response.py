"""Responses that are closed from another thread while they are in progress."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.endpoints import Call
from gateway.errors import ModelUnavailableError
from gateway.model_response import Caller, ModelRequest, ModelResponse
from gateway.settings import Model

from tests.support.patience import HANG_SECONDS


class Invocation:
    """Endless parts, until it is interrupted."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while not self.interrupted.is_set():
            yield b"part"

    def interrupt(self) -> None:
        self.interrupted.set()


class Endpoints:
    """Endpoints that respond once `proceed` is set."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.invoked = threading.Event()
        self.proceed = threading.Event()
        self.calls: list[Call] = []
        self.invocation = Invocation()
        self._failure = failure

    def invoke(self, call: Call) -> Invocation:
        self.calls.append(call)
        self.invoked.set()
        assert self.proceed.wait(HANG_SECONDS)
        if self._failure is not None:
            raise self._failure
        return self.invocation


def model_request(name: str) -> ModelRequest:
    def read(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        return ({"usage": None, "part": part} for part in parts)

    return ModelRequest(Model(name, name), b"{}", read)


def close_early(endpoints: Endpoints) -> list[Any]:
    """Close a response before the endpoint responds; returns its chunks and its error."""
    response = ModelResponse(
        endpoints, model_request("first"), lambda: model_request("second"), Caller("r"), "messages"
    )
    outcome: list[Any] = []

    def iterate() -> None:
        try:
            outcome.extend(response)
        except ModelUnavailableError as error:
            outcome.append(error)

    thread = threading.Thread(target=iterate)
    thread.start()
    assert endpoints.invoked.wait(HANG_SECONDS)
    response.close()
    endpoints.proceed.set()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive(), "the model was not stopped"
    return outcome


def test_close_before_the_response_begins_interrupts_it() -> None:
    endpoints = Endpoints()
    assert close_early(endpoints) == []
    assert endpoints.invocation.interrupted.is_set()


def test_no_fallback_after_close() -> None:
    endpoints = Endpoints(ModelUnavailableError(cause="no capacity"))
    (outcome,) = close_early(endpoints)
    assert isinstance(outcome, ModelUnavailableError)
    assert [call.endpoint for call in endpoints.calls] == ["first"]
