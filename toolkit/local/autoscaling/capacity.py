"""Instance counts of SageMaker's variants, read and changed as Application Auto Scaling does: by its API."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.local.autoscaling.models import Activities, Activity, Target
from toolkit.local.awsapi import ApiError, Members
from toolkit.local.timescale import scaled

DIMENSION = "sagemaker:variant:DesiredInstanceCount"

_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")


@dataclass(frozen=True)
class Count:
    """A variant's instances.

    Attributes:
        current: that there are.
        desired: that there are to be.
        changing: whether the endpoint is at work, and cannot be changed otherwise.
    """

    current: int
    desired: int
    changing: bool


class Variants:
    """The variants of all endpoints.

    Args:
        operations: SageMaker's, by name; each takes the region and the request's members.
    """

    def __init__(self, operations: Mapping[str, Callable[[str, Members], Members]]) -> None:
        self._operations = operations

    def count(self, region: str, resource_id: str) -> Count | None:
        """How many instances a variant has; None if there is no such variant."""
        match = _RESOURCE.fullmatch(resource_id)
        if match is None:
            return None
        try:
            endpoint = self._operations["DescribeEndpoint"](region, {"EndpointName": match[1]})
        except ApiError:
            return None
        changing = endpoint["EndpointStatus"] != "InService"
        for variant in endpoint.get("ProductionVariants", []):
            if variant["VariantName"] == match[2] and "DesiredInstanceCount" in variant:
                return Count(variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], changing)
        return None

    def set(self, region: str, resource_id: str, count: int) -> None:
        """Have a variant get so many instances.

        Raises:
            ApiError: SageMaker refused.
        """
        match = _RESOURCE.fullmatch(resource_id)
        if match is None:
            raise ApiError("ValidationException", f"{resource_id} is no variant")
        desired = [{"VariantName": match[2], "DesiredInstanceCount": count}]
        request = {"EndpointName": match[1], "DesiredWeightsAndCapacities": desired}
        self._operations["UpdateEndpointWeightsAndCapacities"](region, request)


_log = logging.getLogger(__name__)

# How often a change in progress is looked at.
_LOOK_SECONDS = 0.1


@dataclass
class Cooldown:
    """What a policy did last.

    Attributes:
        before: the capacity that it found.
        outwards: whether it added to that.
        until: when it may do so again, by `time.monotonic()`; None as long as the change goes on.
        seconds: how long it then has to wait, in seconds of AWS.
    """

    before: int
    outwards: bool
    seconds: float
    until: float | None = None

    @property
    def over(self) -> bool:
        """Whether the policy may act as if nothing had been."""
        return self.until is not None and time.monotonic() >= self.until


class Scaler:
    """Changes the capacity of a region's targets.

    Attributes:
        activities: what was done.
    """

    def __init__(self, region: str, variants: Variants) -> None:
        self._region = region
        self.activities = Activities()
        self._variants = variants
        self._tasks: set[asyncio.Task[None]] = set()

    def capacity(self, target: Target) -> int | None:
        """What a target's capacity is to be now; None if there is no such resource."""
        count = self._count(target)
        return None if count is None else count.desired

    def bound(self, target: Target, trigger: str = "") -> None:
        """Move a capacity that is outside of its target's bounds onto the next one.

        Waits for a change that is in progress.

        Args:
            target: whose bounds may be new.
            trigger: what made them so, as the beginning of an activity's cause.
        """
        count = self._count(target)
        if count is not None and count.changing:
            self._spawn(self._bound_later(target, trigger))
        elif count is not None:
            low, high = target.members["MinCapacity"], target.members["MaxCapacity"]
            bound = f"minimum capacity was set to {low}"
            if count.desired > high:
                bound = f"maximum capacity was set to {high}"
            self.change(target, count.desired, trigger + bound)

    def change(self, target: Target, wanted: int, cause: str, cooldown: Cooldown | None = None) -> bool:
        """Have a target get a capacity, or what its bounds allow of it.

        Args:
            target: which.
            wanted: how much.
            cause: why, in AWS's words.
            cooldown: begins when the change is complete.

        Returns:
            Whether that changes anything; not if another change is in progress.
        """
        members = target.members
        wanted = min(max(wanted, members["MinCapacity"]), members["MaxCapacity"])
        count = self._count(target)
        if count is None or count.changing or count.desired == wanted:
            return False
        activity = Activity(target.key, wanted, cause)
        self.activities.add(activity)
        try:
            self._variants.set(self._region, target.resource_id, wanted)
        except ApiError as error:
            activity.fail(error.message)
            return False
        _log.info("%s: %s %s", target.resource_id, activity.description, cause)
        self._spawn(self._complete(target, activity, cooldown))
        return True

    async def stop(self) -> None:
        """Wait for nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _count(self, target: Target) -> Count | None:
        if target.members["ScalableDimension"] != DIMENSION:
            return None
        return self._variants.count(self._region, target.resource_id)

    async def _bound_later(self, target: Target, trigger: str) -> None:
        if await self._settled(target) is not None:
            self.bound(target, trigger)

    async def _complete(self, target: Target, activity: Activity, cooldown: Cooldown | None) -> None:
        count = await self._settled(target)
        if count is not None and count.current == activity.count:
            activity.succeed()
        else:
            activity.fail("the resource did not get it.")
        if cooldown is not None:
            cooldown.until = time.monotonic() + scaled(cooldown.seconds)

    async def _settled(self, target: Target) -> Count | None:
        while (count := self._count(target)) is not None and count.changing:
            await asyncio.sleep(_LOOK_SECONDS)
        return count

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
