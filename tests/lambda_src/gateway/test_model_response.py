"""Responses as they arrive, and responses that are closed while they are in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any

import pytest
from gateway.endpoints import Call
from gateway.errors import ModelError, ModelUnavailableError
from gateway.framing import Documents
from gateway.model_response import Caller, ModelRequest, ModelResponse
from gateway.pipeline import Pipeline
from gateway.settings import Model

from tests.support.patience import HANG_SECONDS


class Invocation:
    """Parts that arrive when the test puts them; an error is raised in their place."""

    def __init__(self) -> None:
        self.arriving: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.closed = False

    async def read(self, seconds: float) -> bytes | None:
        try:
            part = await asyncio.wait_for(self.arriving.get(), seconds)
        except TimeoutError:
            return None
        if isinstance(part, Exception):
            raise part
        return part

    def close(self) -> None:
        self.closed = True
        self.arriving.put_nowait(ModelError(cause="closed"))


class Endpoints:
    """Endpoints that respond once `proceed` is set."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.invoked = asyncio.Event()
        self.proceed = asyncio.Event()
        self.calls: list[Call] = []
        self.invocation = Invocation()
        self._failure = failure

    async def invoke(self, call: Call) -> Invocation:
        self.calls.append(call)
        self.invoked.set()
        await self.proceed.wait()
        if self._failure is not None:
            raise self._failure
        return self.invocation


class Counts:
    """Documents → chunks that count tokens."""

    def feed(self, document: Any) -> list[dict[str, Any]]:
        if "error" in document:
            raise ModelError(cause=document["error"])
        return [{"usage": None, "part": document["part"]}]

    def end(self) -> list[dict[str, Any]]:
        return []


def model_response(endpoints: Any) -> ModelResponse:
    first, second = (
        ModelRequest(Model(name, name), b"{}", lambda: Pipeline(Documents(), Counts()))
        for name in ("first", "second")
    )
    return ModelResponse(endpoints, first, lambda: second, Caller("r"), "messages")


def run(scenario: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(scenario, HANG_SECONDS))


async def outcome(response: ModelResponse, **options: Any) -> list[Any]:
    """Parts by batch, and the error at their end."""
    events: list[Any] = []
    try:
        async for batch in response.batches(**options):
            events.append(None if batch is None else [chunk["part"] for chunk in batch])
    except (ModelError, ModelUnavailableError) as error:
        events.append(error)
    return events


async def close_early(endpoints: Endpoints) -> list[Any]:
    """Close a response before the endpoint responds; returns its chunks and its error."""
    response = model_response(endpoints)
    reading = asyncio.ensure_future(outcome(response))
    await endpoints.invoked.wait()
    response.close()
    endpoints.proceed.set()
    return await reading


def test_close_before_the_response_begins_stops_it() -> None:
    async def scenario() -> None:
        endpoints = Endpoints()
        assert await close_early(endpoints) == []
        assert endpoints.invocation.closed

    run(scenario())


def test_no_fallback_after_close() -> None:
    async def scenario() -> None:
        endpoints = Endpoints(ModelUnavailableError(cause="no capacity"))
        assert await close_early(endpoints) == []
        assert [call.endpoint for call in endpoints.calls] == ["first"]

    run(scenario())


def test_chunks_that_arrive_together_come_together_and_at_once() -> None:
    async def scenario() -> None:
        endpoints = Endpoints()
        endpoints.proceed.set()
        arriving = endpoints.invocation.arriving
        batches = model_response(endpoints).batches()
        # Each part is there only after the batch of the part before: no batch waits for more.
        for part, expected in (
            (b'{"part": 1}\n{"part": 2}\n{"pa', [1, 2]),
            (b'rt": 3}\n', [3]),
            (b'{"part": 4}\n{"part": 5}', [4]),
            (b"", [5]),
        ):
            arriving.put_nowait(part)
            assert [chunk["part"] for chunk in await anext(batches)] == expected
        with pytest.raises(StopAsyncIteration):
            await anext(batches)

    run(scenario())


def test_chunks_before_an_error_come_first() -> None:
    async def scenario() -> None:
        endpoints = Endpoints()
        endpoints.proceed.set()
        endpoints.invocation.arriving.put_nowait(b'{"part": 1}\n{"error": "boom"}\n{"part": 2}\n')
        first, error = await outcome(model_response(endpoints))
        assert first == [1]
        assert error.cause == "boom"
        assert endpoints.invocation.closed

    run(scenario())


@pytest.mark.parametrize("steady", [False, True])
def test_none_marks_each_idle_interval(steady: bool) -> None:
    async def scenario() -> None:
        endpoints = Endpoints()
        endpoints.proceed.set()
        batches = model_response(endpoints).batches(0.001, steady=steady)
        assert [await anext(batches) for _ in range(3)] == [None, None, None]
        # A comment is not a chunk.
        for _ in range(3):
            endpoints.invocation.arriving.put_nowait(b": thinking\n\n")
        assert await anext(batches) is None
        endpoints.invocation.arriving.put_nowait(b'{"part": 1}\n')
        endpoints.invocation.arriving.put_nowait(b"")
        assert [1] in [batch and [chunk["part"] for chunk in batch] async for batch in batches]

    run(scenario())


class Clock:
    """A tenth of a second passes with each look at it."""

    def __init__(self) -> None:
        self._ticks = count()

    def monotonic(self) -> float:
        return next(self._ticks) / 10


@pytest.mark.parametrize("steady", [False, True])
def test_only_steady_intervals_pass_while_chunks_arrive(
    monkeypatch: pytest.MonkeyPatch, steady: bool
) -> None:
    monkeypatch.setattr("gateway.model_response.time", Clock())

    async def scenario() -> list[bool]:
        endpoints = Endpoints()
        endpoints.proceed.set()
        batches = model_response(endpoints).batches(1, steady=steady)
        idle = []
        for _ in range(50):
            endpoints.invocation.arriving.put_nowait(b'{"part": 1}\n')
            idle.append(await anext(batches) is None)
        return idle

    assert any(run(scenario())) == steady
