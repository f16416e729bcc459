"""Warm processes by function: reused one request at a time, started when all are busy, ended when idle."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

from toolkit.local.functions.instance import Instance
from toolkit.local.functions.models import Function

# Lambda keeps them for some minutes.
IDLE_SECONDS = 300.0


class Instances:
    """All instances.

    Args:
        make: makes an instance that is not started yet.
        idle_seconds: how long an idle one is kept.
    """

    def __init__(
        self, make: Callable[[Function], Awaitable[Instance]], idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._make = make
        self._idle_seconds = idle_seconds
        self._all: set[Instance] = set()
        self._idle: dict[str, list[Instance]] = {}

    def __iter__(self) -> Iterator[Instance]:
        return iter(list(self._all))

    async def acquire(self, function: Function) -> Instance:
        """An instance that is the caller's until it is released.

        Raises:
            FunctionError: a new one did not get ready.
        """
        idle = self._idle.setdefault(function.arn, [])
        while idle:
            # The one used last: the others may become superfluous.
            instance = idle.pop()
            if instance.fits(function):
                return instance
            await self._end(instance)
        instance = await self._make(function)
        self._all.add(instance)
        try:
            await instance.start()
        except BaseException:
            self._all.discard(instance)
            raise
        return instance

    async def release(self, instance: Instance) -> None:
        """Give it back."""
        if instance.usable and instance.alive:
            instance.idle_since = time.monotonic()
            self._idle.setdefault(instance.function.arn, []).append(instance)
        else:
            await self._end(instance)

    async def retire(self, arn: str) -> None:
        """The function was changed or deleted: end its instances, the busy ones when they are done."""
        for instance in list(self._all):
            if instance.function.arn == arn:
                instance.usable = False
        await asyncio.gather(*(self._end(instance) for instance in self._idle.pop(arn, [])))

    async def reap(self) -> None:
        """End those that were idle for long, and forget those that died."""
        now = time.monotonic()
        for idle in self._idle.values():
            for instance in list(idle):
                if not instance.alive or now - instance.idle_since > self._idle_seconds:
                    idle.remove(instance)
                    await self._end(instance)

    async def end_all(self) -> None:
        """End all, the busy ones too."""
        self._idle.clear()
        await asyncio.gather(*(self._end(instance) for instance in list(self._all)))

    async def _end(self, instance: Instance) -> None:
        instance.usable = False
        self._all.discard(instance)
        await instance.stop()
