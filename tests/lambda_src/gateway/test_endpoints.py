from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from gateway.endpoints import Call, Endpoints
from gateway.errors import (
    ApiError,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
    RequestTooLargeError,
)

from tests.support.patience import HANG_SECONDS

CALL = Call("demo", b"{}", streamed=True, request_id="r" * 100, trace="Root=1-2-3")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    return monkeypatch


@pytest.fixture
def endpoints(environment: pytest.MonkeyPatch, engine: Any) -> Endpoints:
    environment.setenv("AWS_ENDPOINT_URL", engine.address)
    endpoints = Endpoints()
    endpoints.wait_until_ready()
    return endpoints


def test_interrupt_ends_a_blocked_read(endpoints: Endpoints, engine: Any) -> None:
    silent, responded = threading.Event(), threading.Event()
    engine.respond(b"one", lambda: silent.wait(HANG_SECONDS), b"two")
    invocation = endpoints.invoke(CALL)
    outcome: list[object] = []

    def read() -> None:
        try:
            for part in invocation:
                outcome.append(part)
                responded.set()
        except ApiError as error:
            outcome.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert responded.wait(HANG_SECONDS)
    invocation.interrupt()
    reader.join(HANG_SECONDS)
    assert not reader.is_alive(), "still reads, though the model says nothing"
    assert outcome[0] == b"one"
    silent.set()
    invocation.interrupt()


def test_an_unreachable_endpoint_is_unavailable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ModelUnavailableError):
        Endpoints().invoke(CALL)


def test_failed_calls_are_not_retried(endpoints: Endpoints, engine: Any) -> None:
    engine.error = (503, "ServiceUnavailable", {"Message": "no"})
    with pytest.raises(ModelUnavailableError):
        endpoints.invoke(CALL)
    assert len(engine.bodies) == 1


def test_requests_too_large_for_sagemaker(endpoints: Endpoints, engine: Any) -> None:
    engine.error = (400, "ValidationError", {"Message": "Value at 'body' failed to satisfy constraint"})
    with pytest.raises(RequestTooLargeError):
        endpoints.invoke(CALL)


def test_calls_carry_the_trace_and_the_request_id(endpoints: Endpoints, engine: Any) -> None:
    engine.respond(b"one")
    assert list(endpoints.invoke(CALL)) == [b"one"]
    assert engine.headers[0]["x-amzn-trace-id"] == "Root=1-2-3"
    assert engine.headers[0]["x-amzn-sagemaker-inference-id"] == "r" * 64
    list(endpoints.invoke(replace(CALL, trace=None)))
    assert "x-amzn-trace-id" not in engine.headers[1]


def test_serverless_endpoints_are_invoked_without_streaming(endpoints: Endpoints, engine: Any) -> None:
    engine.respond(b"one", b"two")
    assert b"".join(endpoints.invoke(replace(CALL, streamed=False))) == b"onetwo"
    assert engine.paths == ["/endpoints/demo/invocations"]


@pytest.mark.parametrize("streamed", [True, False])
def test_a_lost_connection(endpoints: Endpoints, engine: Any, streamed: bool) -> None:
    engine.respond(b"one")
    engine.cut = True
    with pytest.raises(ModelError):
        list(endpoints.invoke(replace(CALL, streamed=streamed)))


def test_a_stream_beyond_the_time_limit(endpoints: Endpoints, engine: Any) -> None:
    engine.respond(b"one")
    words = "The model failed to finish sending the response within the timeout period allowed."
    engine.failure = ("ModelStreamError", {"Message": words, "ErrorCode": "ModelInvocationTimeExceeded"})
    with pytest.raises(ModelTimeoutError):
        list(endpoints.invoke(CALL))
