"""Faults of the model: its server, its answers and its latency."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

from tests.e2e.api.faults.deployment import Deployment, Planted, behaves, completes, fault
from tests.support.cloud import Behaviour, respond
from toolkit.environment.expectations import Expectation, Objectives
from toolkit.smoke import Layer, Options

_FIRST_TOKEN_SECONDS = 0.03
_INVOCATION, _STREAMING = ("invocation", "runtime invocation"), ("streaming", "runtime streaming")
_OBJECTIVES = Options(models=["echo"], only=[Layer.OBJECTIVES])


def crash(handler: Any, _: dict[str, Any]) -> None:
    """Close the connection without a response, as a process that is killed."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def starts_late(handler: Any, request: dict[str, Any]) -> None:
    """Respond after longer than the objective, at any load."""
    threading.Event().wait(_FIRST_TOKEN_SECONDS)
    completes()(handler, request)


def responds(status: int, body: bytes) -> Behaviour:
    return lambda handler, _: respond(handler, status, body)


def expects(**members: Any) -> dict[str, Any]:
    return {"expectations": (Expectation(name="one", prompt="Wie geht es dir?", **members),)}


def demands(**members: Any) -> dict[str, Any]:
    return {"options": _OBJECTIVES, "objectives": Objectives(requests=5, warm_up=0, **members)}


ENGLISH = completes("I am fine, thank you for asking.")
EXPECTATION = ("expectations", "expectation one", "another model responds")
MODELS: dict[str, Planted] = {
    "model_broken": Planted(
        behaves(responds(500, b'{"error": "CUDA"}')), *_INVOCATION, "model's server fails"
    ),
    "model_killed": Planted(behaves(crash), *_INVOCATION, "model's server fails"),
    "response_empty": Planted(behaves(completes("")), *_INVOCATION, "generates no text"),
    "response_of_another_program": Planted(
        behaves(responds(200, b"<html>")), *_INVOCATION, "another program responds"
    ),
    "model_stream_truncated": Planted(
        behaves(completes(finished=False)), *_STREAMING, "ended the stream early"
    ),
    "model_stream_buffered": Planted(behaves(completes(chunks=1)), *_STREAMING, "buffers the response"),
    "model_fails_in_the_stream": Planted(
        behaves(completes(error=True)), *_STREAMING, "fails during its response"
    ),
    "wrong_language": Planted(behaves(ENGLISH, **expects(language="de")), *EXPECTATION),
    "wrong_model_behind_the_right_name": Planted(
        behaves(ENGLISH, **expects(contains=("gut",))), *EXPECTATION
    ),
    "tokens_not_counted": Planted(behaves(ENGLISH, **expects(min_tokens=1)), *EXPECTATION),
    "slow_first_token": Planted(
        behaves(starts_late, **demands(first_token_ms=_FIRST_TOKEN_SECONDS * 1000)),
        "objectives",
        "objective first_token_ms",
        "overloaded or too small",
    ),
    "requests_fail": Planted(
        behaves(responds(500, b"{}"), **demands(error_percent=1)),
        "objectives",
        "objective error_percent",
        "the model's server fails",
    ),
}


@fault(MODELS, *_INVOCATION, "too slow")
def model_hangs(deployment: Deployment) -> Iterator[None]:
    released = threading.Event()

    def hang(handler: Any, request: dict[str, Any]) -> None:
        released.wait()
        completes()(handler, request)

    deployment.api.engine.behaviour = hang
    deployment.options = Options(models=["echo"], only=[Layer.INVOCATION, Layer.API], timeout_seconds=0.5)
    yield
    released.set()
