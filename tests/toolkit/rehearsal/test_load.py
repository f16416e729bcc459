"""Load on an API whose responses the tests control."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.cloud import Engine
from tests.support.patience import HANG_SECONDS, wait_for
from tests.toolkit.bench.conftest import DONE, Server, completion, delta
from toolkit.bench.targets import Api
from toolkit.errors import PreflightError
from toolkit.rehearsal import load
from toolkit.rehearsal.load import Load


@pytest.fixture
def server() -> Iterator[Server]:
    engine = Engine()
    yield Server(engine)
    engine.stop()


def loads(server: Server, *models: str, rate: float = 200) -> Load:
    """Load on some models."""
    apis = {model: Api(server.engine.url, model, {}) for model in models}
    return Load(apis, rate)


def test_models_get_requests_in_turn_until_the_end(server: Server) -> None:
    server.events = lambda _: [delta("Hi", system_fingerprint="release 2"), *completion("!")]
    running = loads(server, "a", "b")
    started = time.monotonic()
    running.start()
    wait_for(lambda: running.counts()[0] >= 20)
    requests = running.stop(started)
    seconds = time.monotonic() - started
    models = Counter(request.model for request in requests)
    assert abs(models["a"] - models["b"]) <= 1
    assert len(server.bodies) == len(requests)
    for request in requests:
        assert request.error is None
        assert request.status == 200
        assert 0 <= request.start < request.start + request.seconds <= seconds
    assert [request.start for request in requests] == sorted(request.start for request in requests)


def test_a_response_names_the_release_that_sent_it(server: Server) -> None:
    event = completion("Hi")
    named = [part.replace(b'"model"', b'"system_fingerprint": "llm-dev-m-1a2b", "model"') for part in event]
    server.events = lambda _: named
    running = loads(server, "a")
    running.start()
    wait_for(lambda: running.counts()[0] > 0)
    assert {request.release for request in running.stop(0)} == {"llm-dev-m-1a2b"}


def test_failures_have_their_reason_and_do_not_end_the_load(server: Server) -> None:
    server.refuse(503, {"error": {"code": "model_unavailable", "message": "no instance"}})
    running = loads(server, "a")
    running.start()
    # A benchmark stops after 50 failures.
    wait_for(lambda: running.counts()[1] > 60)
    server.__post_init__()
    wait_for(lambda: running.counts()[0] > running.counts()[1])
    requests = running.stop(0)
    failures = Counter((request.status, request.error) for request in requests)
    assert failures[503, "HTTP 503 model_unavailable"] > 60
    assert requests[-1].error is None


def test_a_response_without_text_is_a_failure(server: Server) -> None:
    server.events = lambda _: [delta(finish_reason="stop"), DONE]
    running = loads(server, "a")
    running.start()
    wait_for(lambda: running.counts()[1] > 0)
    assert running.stop(0)[0].error == "the response has no text"


def test_a_model_that_hangs_does_not_delay_the_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MOST_IN_FLIGHT", 5)
    monkeypatch.setattr(load, "_LAST_SECONDS", 0.2)
    over = threading.Event()

    def hang(_: str) -> Iterator[bytes]:
        yield delta("Hi")
        over.wait(HANG_SECONDS)

    server.events = hang
    running = loads(server, "a")
    running.start()
    wait_for(lambda: running.skipped > 10)
    requests = running.stop(0)
    over.set()
    assert running.skipped > 10
    assert [request.error for request in requests] == [load.UNFINISHED] * 5
    assert {request.status for request in requests} == {None}


def test_a_rehearsal_that_fails_ends_its_load(server: Server) -> None:
    running = loads(server, "a")
    with pytest.raises(KeyboardInterrupt), running:
        wait_for(lambda: running.counts()[0] > 0)
        raise KeyboardInterrupt
    assert not running._thread.is_alive()


def test_a_machine_that_cannot_send_requests_is_an_error(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise OSError(24, "too many open files")

    running = loads(server, "a")
    monkeypatch.setattr(running._runners["a"]._client, "_connect", refuse)
    running.start()
    wait_for(lambda: running.counts()[1] > 0)
    with pytest.raises(PreflightError, match="too many open files"):
        running.stop(0)
