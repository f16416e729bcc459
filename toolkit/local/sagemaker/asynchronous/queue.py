"""An endpoint's asynchronous requests: waiting and running."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from toolkit.local.sagemaker.access import ExecutionRole
from toolkit.local.sagemaker.asynchronous.access import RoleAccess
from toolkit.local.sagemaker.asynchronous.metrics import Report
from toolkit.local.sagemaker.asynchronous.models import AsyncRequest, AsyncSettings, settings_of
from toolkit.local.sagemaker.asynchronous.processing import Processing
from toolkit.local.sagemaker.exceptions import InstanceLostError
from toolkit.local.sagemaker.fleet import Fleet, Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.models import Endpoint
from toolkit.local.timescale import scaled

_log = logging.getLogger(__name__)

# How often a queue with waiting requests checks for free instances and expired requests.
_POLL_SECONDS = 0.1
# A lost instance gets no requests for this time, until the cloud notices that its process exited.
_QUARANTINE_SECONDS = 0.5
# Retry a request whose instance was lost, unless the request itself terminates every instance.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class _Slot:
    fleet: Fleet
    variant: Variant
    instance: Instance


# Called after each request, with the fleet and the variant that processed it or could have.
OnEnd = Callable[[Endpoint, Fleet, str, Report], None]


class Queue:
    """The queue of one endpoint. Requests wait in it while the endpoint has no instances."""

    def __init__(self, endpoint: Endpoint, on_end: OnEnd) -> None:
        self.endpoint = endpoint
        self._on_end = on_end
        self._waiting: deque[AsyncRequest] = deque()
        self._running: Counter[str] = Counter()
        self._lost: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._dispatcher = asyncio.create_task(self._run())

    @property
    def size(self) -> int:
        """The number of waiting and running requests."""
        return len(self._waiting) + self._running.total()

    @property
    def oldest_age(self) -> float:
        """Age of the first waiting request in seconds; 0 if none waits."""
        return self._waiting[0].age if self._waiting else 0.0

    def put(self, request: AsyncRequest) -> None:
        """Add a request."""
        self._waiting.append(request)
        self._changed.set()

    async def stop(self) -> None:
        """Cancel all requests."""
        tasks = {self._dispatcher, *self._tasks}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _run(self) -> None:
        while True:
            # Clear before checking, so that a later change starts another round.
            self._changed.clear()
            self._expire()
            self._assign()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _POLL_SECONDS if self._waiting else None)

    def _expire(self) -> None:
        for request in [request for request in self._waiting if request.age > scaled(request.ttl_seconds)]:
            self._waiting.remove(request)
            reason = f"The request waited for longer than its RequestTTLSeconds, {request.ttl_seconds}."
            self._spawn(self._give_up(request, "ExpiredRequests", reason))

    def _assign(self) -> None:
        while self._waiting and (slot := self._free_slot()) is not None:
            request = self._waiting.popleft()
            self._running[slot.instance.id] += 1
            self._spawn(self._process(request, slot))

    def _free_slot(self) -> _Slot | None:
        """The instance with the fewest requests, unless it has reached its concurrency."""
        settings = settings_of(self.endpoint)
        slot = min(self._slots(), key=lambda slot: self._running[slot.instance.id], default=None)
        if settings is None or slot is None:
            return None
        return slot if self._running[slot.instance.id] < settings.concurrency else None

    def _slots(self) -> Iterator[_Slot]:
        for fleet in self.endpoint.traffic.fleets:
            for variant in fleet.variants:
                for instance in variant.instances:
                    if instance.ready and instance.id not in self._lost:
                        yield _Slot(fleet, variant, instance)

    async def _process(self, request: AsyncRequest, slot: _Slot) -> None:
        request.attempts += 1
        processing = _processing(self.endpoint, slot.fleet, slot.variant)
        try:
            report = await processing.process(request, slot.variant, slot.instance)
        except InstanceLostError as error:
            self._lost.add(slot.instance.id)
            self._spawn(self._quarantine(slot.instance))
            await self._retry(request, str(error))
        else:
            self._on_end(self.endpoint, slot.fleet, slot.variant.name, report)
        finally:
            self._running[slot.instance.id] -= 1
            self._changed.set()

    async def _quarantine(self, instance: Instance) -> None:
        await asyncio.sleep(_QUARANTINE_SECONDS)
        self._lost.discard(instance.id)

    async def _retry(self, request: AsyncRequest, reason: str) -> None:
        if request.attempts < MAX_ATTEMPTS:
            self._waiting.appendleft(request)
        else:
            await self._give_up(request, "InvocationFailures", reason)

    async def _give_up(self, request: AsyncRequest, metric: str, reason: str) -> None:
        if not self.endpoint.traffic.fleets:
            return  # the endpoint is being deleted
        fleet = self.endpoint.traffic.fleets[-1]
        variant = fleet.variants[0]
        report = await _processing(self.endpoint, fleet, variant).give_up(request, metric, reason)
        self._on_end(self.endpoint, fleet, variant.name, report)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug in the cloud must not stop the other requests.
            _log.error("a request of %s", self.endpoint.name, exc_info=error)


def _processing(endpoint: Endpoint, fleet: Fleet, variant: Variant) -> Processing:
    settings = AsyncSettings.of(fleet.definition["AsyncInferenceConfig"])
    role = ExecutionRole(fleet.context.enforcement, variant.model["ExecutionRoleArn"])
    return Processing(endpoint.name, endpoint.region, settings, RoleAccess(role, endpoint.region))
