"""The pool of instances, without real processes."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from typing import Any, cast

from toolkit.local.functions.instance import Instance
from toolkit.local.functions.lifecycle import MAX_STARTS, Instances
from toolkit.local.functions.models import Function

FUNCTION = Function(
    name="f", arn="arn:f", region="us-east-1", version="$LATEST", handler="h", runtime="python3.13",
    memory_mb=128, timeout_seconds=3, environment={}, layers=(), log_group="/g", code_sha256="a", code=b"",
    role="arn:r",
)  # fmt: skip
CHANGED = dataclasses.replace(FUNCTION, code_sha256="b")


class Stub:
    """A fake instance."""

    fits = Instance.fits

    def __init__(self, function: Function) -> None:
        self.function = function
        self.usable = self.alive = True
        self.idle_since = 0.0
        self.expires_at = math.inf

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.alive = False


async def make(function: Function) -> Instance:
    return cast(Instance, Stub(function))


def test_an_update_during_a_start_retires_the_instance() -> None:
    async def scenario() -> None:
        instances = Instances(make)
        # The function is updated between the request and the start of the process.
        await instances.retire(FUNCTION.arn)
        old = await instances.acquire(FUNCTION)
        await instances.release(old)
        new = await instances.acquire(CHANGED)
        assert new.function == CHANGED
        assert not old.alive
        assert list(instances) == [new]

    asyncio.run(scenario())


def test_a_waiting_request_takes_the_first_idle_instance() -> None:
    started: list[asyncio.Event] = []

    class Slow(Stub):
        async def start(self) -> None:
            started.append(asyncio.Event())
            await started[-1].wait()

    async def create(function: Function) -> Instance:
        return cast(Instance, Slow(function))

    async def scenario() -> None:
        instances = Instances(create)
        requests = [asyncio.create_task(instances.acquire(FUNCTION)) for _ in range(MAX_STARTS + 2)]
        while len(started) < MAX_STARTS:
            await asyncio.sleep(0)
        # No more starts than the machine has processors for.
        started[0].set()
        first = await requests[0]
        while len(started) < MAX_STARTS + 1:
            await asyncio.sleep(0)
        await instances.release(first)
        done, _ = await asyncio.wait(requests[1:], return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [first]
        for event in started:
            event.set()
        while len(started) < MAX_STARTS + 2 and not all(task.done() for task in requests):
            await asyncio.sleep(0)
        await asyncio.gather(*requests)
        assert len(started) == MAX_STARTS + 1

    asyncio.run(scenario())


def test_expiring_credentials_retire_an_instance() -> None:
    async def scenario() -> None:
        instances = Instances(make)
        old = await instances.acquire(FUNCTION)
        await instances.release(old)
        old.expires_at = time.time() + FUNCTION.timeout_seconds - 1
        assert await instances.acquire(FUNCTION) is not old
        assert not old.alive

    asyncio.run(scenario())


def test_a_busy_outdated_instance_finishes_its_request() -> None:
    async def scenario() -> None:
        instances = Instances(make)
        busy = await instances.acquire(FUNCTION)
        await instances.retire(FUNCTION.arn)
        assert busy.alive
        await instances.release(busy)
        assert not busy.alive

    asyncio.run(scenario())


def test_idle_instances_stop_and_exited_ones_are_unused(monkeypatch: Any) -> None:
    async def scenario() -> None:
        instances = Instances(make, idle_seconds=60)
        first, second = await instances.acquire(FUNCTION), await instances.acquire(FUNCTION)
        await instances.release(first)
        await instances.release(second)
        await second.stop()
        assert await instances.acquire(FUNCTION) is first
        await instances.release(first)
        await instances.reap()
        assert first.alive
        later = time.monotonic() + 61
        monkeypatch.setattr(time, "monotonic", lambda: later)
        await instances.reap()
        assert not first.alive
        assert list(instances) == []

    asyncio.run(scenario())
