from __future__ import annotations

import threading
from typing import Any

import pytest
from gateway.endpoints import Endpoints
from gateway.errors import ApiError, InvalidRequestError, ModelUnavailableError


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
    made = Endpoints()
    made.wait_until_ready()
    return made


def test_an_interrupt_ends_a_read_that_waits_for_a_silent_model(endpoints: Endpoints, engine: Any) -> None:
    silent, spoke = threading.Event(), threading.Event()
    engine.says(b"one", lambda: silent.wait(10), b"two")
    invocation = endpoints.invoke("demo", b"{}")
    outcome: list[object] = []

    def read() -> None:
        try:
            for part in invocation:
                outcome.append(part)
                spoke.set()
        except ApiError as error:
            outcome.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    assert spoke.wait(5)
    invocation.interrupt()
    reader.join(2)
    assert not reader.is_alive(), "still reads, though the model says nothing"
    assert outcome[0] == b"one"
    silent.set()
    invocation.interrupt()


def test_an_endpoint_that_can_not_be_reached(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ModelUnavailableError):
        Endpoints().invoke("demo", b"{}")


def test_a_failed_call_is_not_repeated(endpoints: Endpoints, engine: Any) -> None:
    engine.error = (503, "ServiceUnavailable", {"Message": "no"})
    with pytest.raises(ModelUnavailableError):
        endpoints.invoke("demo", b"{}")
    assert len(engine.asked) == 1


def test_a_request_that_is_too_large(endpoints: Endpoints, engine: Any) -> None:
    engine.error = (400, "ValidationError", {"Message": "Value at 'body' failed to satisfy constraint"})
    with pytest.raises(InvalidRequestError, match="too large"):
        endpoints.invoke("demo", b"{}")
