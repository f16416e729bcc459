"""Instance counts of SageMaker variants, and their changes: within bounds, one at a time, with cooldowns."""

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

_log = logging.getLogger(__name__)

DIMENSION = "sagemaker:variant:DesiredInstanceCount"

_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")


@dataclass(frozen=True)
class InstanceCount:
    """A variant's current and desired instances; `changing` unless the endpoint is InService."""

    current: int
    desired: int
    changing: bool


class Variants:
    """The variants of all endpoints, read and changed with SageMaker's API.

    Args:
        operations: SageMaker's operations, by name; each takes the region and the request's members.
    """

    def __init__(self, operations: Mapping[str, Callable[[str, Members], Members]]) -> None:
        self._operations = operations

    def count(self, region: str, resource_id: str) -> InstanceCount | None:
        """A variant's instance count; None if the variant does not exist."""
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
                return InstanceCount(
                    variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], changing
                )
        return None

    def set(self, region: str, resource_id: str, count: int) -> None:
        """Set a variant's desired instance count.

        Raises:
            ApiError: SageMaker rejected it.
        """
        match = _RESOURCE.fullmatch(resource_id)
        if match is None:
            raise ApiError("ValidationException", f"{resource_id} is not a variant")
        desired = [{"VariantName": match[2], "DesiredInstanceCount": count}]
        request = {"EndpointName": match[1], "DesiredWeightsAndCapacities": desired}
        self._operations["UpdateEndpointWeightsAndCapacities"](region, request)


# How often to check a change in progress.
_POLL_SECONDS = 0.1


@dataclass
class Cooldown:
    """A policy's last change, and the cooldown after it.

    Attributes:
        before: the capacity before the change.
        scale_out: whether the change added capacity.
        seconds: the cooldown, in seconds on AWS.
        until: its end, by `time.monotonic()`; None while the change is in progress.
    """

    before: int
    scale_out: bool
    seconds: float
    until: float | None = None

    @property
    def expired(self) -> bool:
        """Whether the cooldown is over."""
        return self.until is not None and time.monotonic() >= self.until


class Scaler:
    """Changes the capacity of a region's targets, and records the scaling activities."""

    def __init__(self, region: str, variants: Variants) -> None:
        self._region = region
        self.activities = Activities()
        self._variants = variants
        self._tasks: set[asyncio.Task[None]] = set()

    def capacity(self, target: Target) -> int | None:
        """A target's desired capacity; None if the resource does not exist."""
        count = self._count(target)
        return None if count is None else count.desired

    def apply_bounds(self, target: Target, trigger: str = "") -> None:
        """Move a capacity outside its target's bounds to the nearest bound, after any change in progress.

        Args:
            target: the target, whose bounds may be new.
            trigger: why they changed, as the beginning of an activity's cause.
        """
        count = self._count(target)
        if count is not None and count.changing:
            self._spawn(self._apply_bounds_later(target, trigger))
        elif count is not None:
            low, high = target.members["MinCapacity"], target.members["MaxCapacity"]
            name, bound = ("maximum", high) if count.desired > high else ("minimum", low)
            self.change(target, count.desired, f"{trigger}{name} capacity was set to {bound}")

    def change(self, target: Target, desired: int, cause: str, cooldown: Cooldown | None = None) -> bool:
        """Change a target's capacity, within its bounds.

        Args:
            target: the target.
            desired: the new capacity.
            cause: the reason, in AWS's words.
            cooldown: starts when the change is complete.

        Returns:
            Whether the capacity changes; False while another change is in progress.
        """
        members = target.members
        desired = min(max(desired, members["MinCapacity"]), members["MaxCapacity"])
        count = self._count(target)
        if count is None or count.changing or count.desired == desired:
            return False
        activity = Activity(target.key, desired, cause)
        self.activities.add(activity)
        try:
            self._variants.set(self._region, target.resource_id, desired)
        except ApiError as error:
            activity.fail(error.message)
            return False
        _log.info("%s: %s %s", target.resource_id, activity.description, cause)
        self._spawn(self._complete(target, activity, cooldown))
        return True

    async def stop(self) -> None:
        """Cancel all work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _count(self, target: Target) -> InstanceCount | None:
        if target.members["ScalableDimension"] != DIMENSION:
            return None
        return self._variants.count(self._region, target.resource_id)

    async def _apply_bounds_later(self, target: Target, trigger: str) -> None:
        if await self._wait_until_stable(target) is not None:
            self.apply_bounds(target, trigger)

    async def _complete(self, target: Target, activity: Activity, cooldown: Cooldown | None) -> None:
        count = await self._wait_until_stable(target)
        if count is not None and count.current == activity.count:
            activity.succeed()
        else:
            activity.fail("the resource did not get it.")
        if cooldown is not None:
            cooldown.until = time.monotonic() + scaled(cooldown.seconds)

    async def _wait_until_stable(self, target: Target) -> InstanceCount | None:
        while (count := self._count(target)) is not None and count.changing:
            await asyncio.sleep(_POLL_SECONDS)
        return count

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
