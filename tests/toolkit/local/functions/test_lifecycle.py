"""Which process answers which request, without real processes."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from typing import Any, cast

from toolkit.local.functions.instance import Instance
from toolkit.local.functions.lifecycle import Instances
from toolkit.local.functions.models import Function

FUNCTION = Function(
    name="f", arn="arn:f", region="us-east-1", version="$LATEST", handler="h", runtime="python3.13",
    memory_mb=128, timeout_seconds=3, environment={}, layers=(), log_group="/g", code_sha256="a", code=b"",
    role="arn:r",
)  # fmt: skip
CHANGED = dataclasses.replace(FUNCTION, code_sha256="b")


class Stub:
    """As much of an instance as `Instances` knows of it."""

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


def test_code_that_changed_while_an_instance_of_the_old_started() -> None:
    async def scenario() -> None:
        instances = Instances(make)
        # The request found the function before it was changed, its process started afterwards.
        await instances.retire(FUNCTION.arn)
        old = await instances.acquire(FUNCTION)
        await instances.release(old)
        new = await instances.acquire(CHANGED)
        assert new.function == CHANGED
        assert not old.alive
        assert list(instances) == [new]

    asyncio.run(scenario())


def test_one_whose_credentials_end_soon_takes_no_request() -> None:
    async def scenario() -> None:
        instances = Instances(make)
        old = await instances.acquire(FUNCTION)
        await instances.release(old)
        old.expires_at = time.time() + FUNCTION.timeout_seconds - 1
        assert await instances.acquire(FUNCTION) is not old
        assert not old.alive

    asyncio.run(scenario())


def test_a_busy_instance_of_a_changed_function_ends_when_it_is_done() -> None:
    async def scenario() -> None:
        instances = Instances(make)
        busy = await instances.acquire(FUNCTION)
        await instances.retire(FUNCTION.arn)
        assert busy.alive
        await instances.release(busy)
        assert not busy.alive

    asyncio.run(scenario())


def test_idle_ones_end_after_a_while_and_dead_ones_are_not_used(monkeypatch: Any) -> None:
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
