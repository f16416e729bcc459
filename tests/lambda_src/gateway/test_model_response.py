"""Answers that are given up while they are being made, from another thread as the gateway does."""

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
    """Parts without end, until it is interrupted."""

    def __init__(self) -> None:
        self.interrupted = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while not self.interrupted.is_set():
            yield b"part"

    def interrupt(self) -> None:
        self.interrupted.set()


class Endpoints:
    """One endpoint, which begins to answer when it is told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.calls: list[Call] = []
        self.invocation = Invocation()
        self._failure = failure

    def invoke(self, call: Call) -> Invocation:
        self.calls.append(call)
        self.asked.set()
        assert self.go_on.wait(HANG_SECONDS)
        if self._failure is not None:
            raise self._failure
        return self.invocation


def question(name: str) -> ModelRequest:
    def read(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        return ({"usage": None, "part": part} for part in parts)

    return ModelRequest(Model(name, name), b"{}", True, read)


def given_up(endpoints: Endpoints) -> list[Any]:
    """What comes out of an answer that is closed while the endpoint has not begun to answer."""
    answer = ModelResponse(endpoints, question("first"), lambda: question("second"), Caller("r"), "messages")
    outcome: list[Any] = []

    def iterate() -> None:
        try:
            outcome.extend(answer)
        except ModelUnavailableError as error:
            outcome.append(error)

    thread = threading.Thread(target=iterate)
    thread.start()
    assert endpoints.asked.wait(HANG_SECONDS)
    answer.close()
    endpoints.go_on.set()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive(), "the model still works for nobody"
    return outcome


def test_who_leaves_before_the_answer_begins_ends_it_with_its_beginning() -> None:
    endpoints = Endpoints()
    assert given_up(endpoints) == []
    assert endpoints.invocation.interrupted.is_set()


def test_no_other_model_is_asked_for_who_has_left() -> None:
    endpoints = Endpoints(ModelUnavailableError(cause="no capacity"))
    (outcome,) = given_up(endpoints)
    assert isinstance(outcome, ModelUnavailableError)
    assert [call.endpoint for call in endpoints.calls] == ["first"]
