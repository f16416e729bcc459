"""An endpoint's asynchronous requests: those that wait, and those that instances work on."""

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
from toolkit.local.sagemaker.asynchronous.models import AsyncRequest, AsyncSettings, settings_of
from toolkit.local.sagemaker.asynchronous.processing import Processing, Report
from toolkit.local.sagemaker.exceptions import InstanceLostError
from toolkit.local.sagemaker.fleet import Fleet, Variant
from toolkit.local.sagemaker.instance import Instance
from toolkit.local.sagemaker.models import Endpoint
from toolkit.local.timescale import scaled

_log = logging.getLogger(__name__)

# How often a queue with waiting requests looks whether an instance came, or one of them expired.
_LOOK_SECONDS = 0.1
# So long an instance gets nothing after it was lost: that its process ended shows a moment later.
_PAUSE_SECONDS = 0.5
# An instance that goes while it works is not the request's fault; a request that ends each one is.
MAX_ATTEMPTS = 3


@dataclass(frozen=True)
class _Place:
    fleet: Fleet
    variant: Variant
    instance: Instance


# Told of each request that has ended, with the fleet and the variant that worked on it or could have.
OnEnd = Callable[[Endpoint, Fleet, str, Report], None]


class Queue:
    """The queue of one endpoint. It is the endpoint's, not its instances': without any, it waits.

    Args:
        endpoint: whose.
        on_end: see there.
    """

    def __init__(self, endpoint: Endpoint, on_end: OnEnd) -> None:
        self.endpoint = endpoint
        self._on_end = on_end
        self._waiting: deque[AsyncRequest] = deque()
        self._working: Counter[str] = Counter()
        self._lost: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._keeper = asyncio.create_task(self._run())

    @property
    def size(self) -> int:
        """Requests that wait or are worked on."""
        return len(self._waiting) + self._working.total()

    @property
    def oldest_age(self) -> float:
        """Seconds that the first waiting request has waited."""
        return self._waiting[0].age if self._waiting else 0.0

    def put(self, request: AsyncRequest) -> None:
        """Have a request worked on, some time."""
        self._waiting.append(request)
        self._changed.set()

    async def stop(self) -> None:
        """Forget all requests."""
        tasks = {self._keeper, *self._tasks}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _run(self) -> None:
        while True:
            # Cleared before looking: what changes afterwards is seen the next time.
            self._changed.clear()
            self._expire()
            self._assign()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _LOOK_SECONDS if self._waiting else None)

    def _expire(self) -> None:
        for request in [each for each in self._waiting if each.age > scaled(each.ttl_seconds)]:
            self._waiting.remove(request)
            reason = f"The request waited for longer than its RequestTTLSeconds, {request.ttl_seconds}."
            self._spawn(self._give_up(request, "ExpiredRequests", reason))

    def _assign(self) -> None:
        while self._waiting and (place := self._free_place()) is not None:
            request = self._waiting.popleft()
            self._working[place.instance.id] += 1
            self._spawn(self._work(request, place))

    def _free_place(self) -> _Place | None:
        """The instance with the fewest requests, if it may have one more."""
        settings = settings_of(self.endpoint)
        places = list(self._places())
        if settings is None or not places:
            return None
        place = min(places, key=lambda each: self._working[each.instance.id])
        return place if self._working[place.instance.id] < settings.concurrency else None

    def _places(self) -> Iterator[_Place]:
        for fleet in self.endpoint.traffic.fleets:
            for variant in fleet.variants:
                for instance in variant.instances:
                    if instance.ready and instance.id not in self._lost:
                        yield _Place(fleet, variant, instance)

    async def _work(self, request: AsyncRequest, place: _Place) -> None:
        request.attempts += 1
        processing = _processing(self.endpoint, place.fleet, place.variant)
        try:
            report = await processing.answer(request, place.variant, place.instance)
        except InstanceLostError as error:
            self._lost.add(place.instance.id)
            self._spawn(self._leave_alone(place.instance))
            await self._try_again(request, str(error))
        else:
            self._on_end(self.endpoint, place.fleet, place.variant.name, report)
        finally:
            self._working[place.instance.id] -= 1
            self._changed.set()

    async def _leave_alone(self, instance: Instance) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        self._lost.discard(instance.id)

    async def _try_again(self, request: AsyncRequest, reason: str) -> None:
        if request.attempts < MAX_ATTEMPTS:
            self._waiting.appendleft(request)
        else:
            await self._give_up(request, "InvocationFailures", reason)

    async def _give_up(self, request: AsyncRequest, metric: str, reason: str) -> None:
        if not self.endpoint.traffic.fleets:
            return  # the endpoint goes, and its requests with it
        fleet = self.endpoint.traffic.fleets[-1]
        variant = fleet.variants[0]
        report = await _processing(self.endpoint, fleet, variant).give_up(request, metric, reason)
        self._on_end(self.endpoint, fleet, variant.name, report)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A mistake in the cloud; the other requests go on.
            _log.error("a request of %s", self.endpoint.name, exc_info=error)


def _processing(endpoint: Endpoint, fleet: Fleet, variant: Variant) -> Processing:
    settings = AsyncSettings.of(fleet.definition["AsyncInferenceConfig"])
    role = ExecutionRole(fleet.site.enforcement, variant.model["ExecutionRoleArn"])
    return Processing(endpoint.name, endpoint.region, settings, RoleAccess(role, endpoint.region))
