"""The pool of warm instances: each serves one request at a time, and ends when it was idle for long."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

from toolkit.local.functions.instance import Instance
from toolkit.local.functions.models import Function

# Lambda keeps idle instances for some minutes.
IDLE_SECONDS = 300.0
# Instances of a function that start at once: they share the processors, so more of them would only be ready
# later, all at the same time, instead of serving one request after the other.
MAX_STARTS = max(2, os.cpu_count() or 1)


class Instances:
    """All instances of all functions.

    Args:
        create: creates an instance, not yet started.
        idle_seconds: how long an idle instance is kept.
    """

    def __init__(
        self, create: Callable[[Function], Awaitable[Instance]], idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._create = create
        self._idle_seconds = idle_seconds
        self._all: set[Instance] = set()
        self._idle: dict[str, list[Instance]] = {}
        self._starting: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Instance]:
        return iter(list(self._all))

    async def acquire(self, function: Function) -> Instance:
        """Take an idle instance, or start one; a request that waits for a start takes whatever is idle first.

        Raises:
            FunctionError: a new instance does not start.
        """
        arn = function.arn
        while (instance := await self._take(function)) is None:
            if self._starting[arn] < MAX_STARTS:
                return await self._start(function)
            await self._changed.wait()
        return instance

    async def _take(self, function: Function) -> Instance | None:
        idle = self._idle.setdefault(function.arn, [])
        while idle:
            # The most recently used one, so that superfluous ones stay idle.
            instance = idle.pop()
            if instance.fits(function):
                return instance
            await self._end(instance)
        return None

    async def _start(self, function: Function) -> Instance:
        self._starting[function.arn] += 1
        try:
            instance = await self._create(function)
            self._all.add(instance)
            try:
                await instance.start()
            except BaseException:
                self._all.discard(instance)
                raise
            return instance
        finally:
            self._starting[function.arn] -= 1
            self._notify()

    def _notify(self) -> None:
        # Wake the current waiters; later ones wait for the next change.
        self._changed.set()
        self._changed = asyncio.Event()

    async def release(self, instance: Instance) -> None:
        """Return an instance to the pool."""
        if instance.usable and instance.alive:
            instance.idle_since = time.monotonic()
            self._idle.setdefault(instance.function.arn, []).append(instance)
            self._notify()
        else:
            # Also if the caller is cancelled.
            await asyncio.shield(self._end(instance))

    async def retire(self, arn: str) -> None:
        """Stop the instances of an updated or deleted function, busy ones after their request."""
        for instance in list(self._all):
            if instance.function.arn == arn:
                instance.usable = False
        await asyncio.gather(*(self._end(instance) for instance in self._idle.pop(arn, [])))

    async def reap(self) -> None:
        """Stop instances that were idle for long, and remove those that exited."""
        now = time.monotonic()
        for idle in self._idle.values():
            for instance in list(idle):
                if not instance.alive or now - instance.idle_since > self._idle_seconds:
                    idle.remove(instance)
                    await self._end(instance)

    async def end_all(self) -> None:
        """Stop all instances, including busy ones."""
        self._idle.clear()
        await asyncio.gather(*(self._end(instance) for instance in list(self._all)))

    async def _end(self, instance: Instance) -> None:
        instance.usable = False
        self._all.discard(instance)
        await instance.stop()
