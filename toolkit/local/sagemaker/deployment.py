"""Updates: an endpoint's DeploymentConfig, and the traffic shift from its blue (old) to its green fleet."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.clock import CLOCK
from toolkit.local.sagemaker.exceptions import DeploymentError, StartTimeoutError
from toolkit.local.sagemaker.fleet import Fleet, Stage, Variant

_log = logging.getLogger(__name__)

# AWS's limits on a step, in percent of the instances.
_BOUNDS = {"CanarySize": (0, 50), "LinearStepSize": (10, 50), "MaximumBatchSize": (5, 50)}


@dataclass(frozen=True)
class Size:
    """A part of a fleet.

    Attributes:
        value: instances, or percent of them.
        is_percent: whether `value` is a percentage.
    """

    value: float
    is_percent: bool = True

    @classmethod
    def of(cls, capacity: Members) -> Size:
        """Read a CapacitySize."""
        return cls(float(capacity["Value"]), capacity["Type"] == "CAPACITY_PERCENT")

    def share(self, total: int) -> float:
        """The share of a fleet of `total` instances, from 0 to 1."""
        return self.value / 100 if self.is_percent else self.value / max(total, 1)

    def instances(self, total: int) -> int:
        """The instances of a fleet of `total`, at least one."""
        return max(math.ceil(self.share(total) * total - 1e-9), 1)


@dataclass(frozen=True)
class DeploymentPolicy:
    """A DeploymentConfig. Times are seconds on AWS.

    Attributes:
        batch: batch size of a rolling update; None for blue/green.
        rollback_batch: batch size when a rolling update rolls back.
        shares: the green fleet's share of the traffic after each blue/green step.
        interval: baking time of each step, except the last blue/green step.
        bake: baking time of the last blue/green step.
        limit: maximum execution time.
        alarms: CloudWatch alarms that roll the update back.
    """

    batch: Size | None = None
    rollback_batch: Size = Size(100)
    shares: tuple[float, ...] = (1.0,)
    interval: float = 0.0
    bake: float = 0.0
    limit: float = math.inf
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Members | None, total: int) -> DeploymentPolicy:
        """Read a DeploymentConfig for a fleet of `total` instances.

        Raises:
            ApiError: the policies contradict each other, or a step is out of bounds.
        """
        config = config or {}
        alarms = config.get("AutoRollbackConfiguration", {}).get("Alarms", [])
        names = tuple(alarm["AlarmName"] for alarm in alarms)
        rolling, blue_green = config.get("RollingUpdatePolicy"), config.get("BlueGreenUpdatePolicy")
        if rolling and blue_green:
            message = "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified."
            raise ApiError("ValidationException", message)
        if rolling:
            return cls(
                batch=_size(rolling, "MaximumBatchSize", total),
                rollback_batch=Size.of(rolling["RollbackMaximumBatchSize"])
                if "RollbackMaximumBatchSize" in rolling
                else Size(100),
                interval=float(rolling["WaitIntervalInSeconds"]),
                limit=float(rolling.get("MaximumExecutionTimeoutInSeconds", math.inf)),
                alarms=names,
            )
        if not blue_green:
            return cls(alarms=names)
        routing = blue_green["TrafficRoutingConfiguration"]
        return cls(
            shares=_shares(routing, total),
            interval=float(routing["WaitIntervalInSeconds"]),
            bake=float(blue_green.get("TerminationWaitInSeconds", 0)),
            limit=float(blue_green.get("MaximumExecutionTimeoutInSeconds", math.inf)),
            alarms=names,
        )


def _shares(routing: Members, total: int) -> tuple[float, ...]:
    if routing["Type"] == "CANARY":
        return (_size(routing, "CanarySize", total).share(total), 1.0)
    if routing["Type"] == "LINEAR":
        step = _size(routing, "LinearStepSize", total).share(total)
        return tuple(min(step * number, 1.0) for number in range(1, math.ceil(1 / step - 1e-9) + 1))
    return (1.0,)


def _size(members: Members, name: str, total: int) -> Size:
    if name not in members:
        message = f"{name} is required for the traffic routing type {members.get('Type')}."
        raise ApiError("ValidationException", message)
    size, (least, most) = Size.of(members[name]), _BOUNDS[name]
    percent = size.share(total) * 100
    # A rolling update replaces a single instance as a whole.
    whole = name == "MaximumBatchSize" and size.instances(total) == 1
    if not (least <= percent <= most or whole):
        message = (
            f"{name} must be between {least}% and {most}% of the variant's total instance count ({total})."
        )
        raise ApiError("ValidationException", message)
    return size


class Destination(NamedTuple):
    """The fleet and the variant that get a request."""

    fleet: Fleet
    variant: Variant


@dataclass
class Traffic:
    """The distribution of an endpoint's requests over its fleets.

    Attributes:
        shares: fleets with their shares of the traffic, which add up to 1. One fleet, unless an update is
            shifting traffic or could not roll back.
    """

    shares: list[tuple[Fleet, float]] = field(default_factory=list)

    def choose(self, target: str | None) -> Destination | None:
        """The destination of the next request; see `Fleet.choose`."""
        if not self.shares:
            return None
        shares = [share for _, share in self.shares]
        fleet = random.choices(self.fleets, shares)[0]  # noqa: S311 not for security
        variant = fleet.choose(target)
        return Destination(fleet, variant) if variant else None

    @property
    def fleets(self) -> list[Fleet]:
        """The fleets that get requests."""
        return [fleet for fleet, _ in self.shares]

    def share(self, fleet: Fleet) -> float:
        """A fleet's share, from 0 to 1."""
        return sum(share for candidate, share in self.shares if candidate is fleet)

    def set_share(self, fleet: Fleet, share: float) -> None:
        """Set a fleet's share; the other fleets keep their proportions."""
        rest = sum(other_share for other, other_share in self.shares if other is not fleet)
        scale = (1 - share) / rest if rest else 0.0
        shares = {other: other_share * scale for other, other_share in self.shares}
        shares[fleet] = share if rest else 1.0
        self.shares = [(other, other_share) for other, other_share in shares.items() if other_share > 0]


class _TimeLimit:
    """The remaining execution time of a deployment. Waits count as on AWS, work counts in real time.

    Args:
        limit: maximum duration, in seconds on AWS.
    """

    def __init__(self, limit: float) -> None:
        self._limit = self.remaining = limit

    async def wait(self, seconds: float) -> None:
        """Wait for `seconds` on AWS."""
        available = min(seconds, self.remaining)
        await CLOCK.sleep(available)
        self._use(available)
        if available < seconds:
            raise self.error()

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """Count the duration of the block."""
        start = time.monotonic()
        try:
            yield
        except StartTimeoutError as error:
            raise self.error() from error
        self._use(time.monotonic() - start)

    def _use(self, seconds: float) -> None:
        self.remaining -= seconds
        if self.remaining < 0:
            raise self.error()

    def error(self) -> DeploymentError:
        """The failure when no time remains."""
        return DeploymentError(
            f"The deployment was rolled back because it exceeded its maximum execution time of "
            f"{self._limit:.0f} seconds."
        )


class Deployment:
    """An update in progress.

    Args:
        traffic: the endpoint's traffic. All of it goes to the blue fleet, unless an earlier update could
            neither finish nor roll back: then its fleet still gets a share.
        green: the new fleet, not yet started.
    """

    def __init__(self, traffic: Traffic, blue: Fleet, green: Fleet, policy: DeploymentPolicy) -> None:
        self._traffic = traffic
        self._blue = blue
        self._green = green
        self._stranded = [fleet for fleet in traffic.fleets if fleet is not blue]
        self._policy = policy
        self._time_limit = _TimeLimit(policy.limit)

    @property
    def has_shifted_traffic(self) -> bool:
        """Whether another fleet than the blue one gets traffic."""
        return self._traffic.share(self._blue) < 1

    async def run(self, alarm: Coroutine[Any, Any, str]) -> None:
        """Start the green fleet and shift the traffic to it.

        Args:
            alarm: waits until an alarm fires; returns its name and reason.

        Raises:
            DeploymentError: an alarm fired or the time limit passed: call `roll_back`.
            FleetError: the green fleet is not healthy: call `roll_back`.
        """
        steps = self._blue_green() if self._policy.batch is None else self._rolling(self._policy.batch)
        shift, firing = asyncio.create_task(steps), asyncio.create_task(alarm)
        try:
            await asyncio.wait({shift, firing}, return_when=asyncio.FIRST_COMPLETED)
            if firing.done():
                message = "The deployment was rolled back because an alarm is in the ALARM state"
                raise DeploymentError(f"{message}: {firing.result()}")
            await shift
        finally:
            for task in (shift, firing):
                task.cancel()
            await asyncio.wait({shift, firing})

    async def _blue_green(self) -> None:
        self._enter("Creating")
        with self._time_limit.work():
            await self._green.resize(timeout=self._time_limit.remaining)
        for share in self._policy.shares:
            self._enter("ActivatingTraffic")
            self._traffic.set_share(self._green, share)
            self._enter("Baking")
            await self._time_limit.wait(self._policy.bake if share == 1 else self._policy.interval)

    async def _rolling(self, batch: Size) -> None:
        green, share = self._green, 0.0
        while share < 1:
            self._enter("Updating" if share else "Creating")
            with self._time_limit.work():
                await green.resize(_grow_by(batch), timeout=self._time_limit.remaining)
            share = _share(green)
            self._enter("ActivatingTraffic")
            self._traffic.set_share(green, share)
            self._enter("Baking")
            await self._time_limit.wait(self._policy.interval)
            with self._time_limit.work():
                for fleet in (self._blue, *self._stranded):
                    await fleet.resize(_shrink_to(share))

    async def finish(self) -> None:
        """Drain and stop the blue fleet and the fleets of earlier updates."""
        self._green.stage = None
        await _remove(self._blue, *self._stranded)

    async def roll_back(self) -> None:
        """Shift all traffic back to the blue fleet, then drain and stop the others.

        Raises:
            FleetError: stopped instances of the blue fleet did not restart; the traffic stays where it is.
        """
        others = (self._green, *self._stranded)
        while self._traffic.share(self._blue) < 1 or _share(self._blue) < 1:
            await self._blue.resize(_grow_by(self._policy.rollback_batch))
            share = _share(self._blue)
            self._traffic.set_share(self._blue, share)
            if share < 1:
                for fleet in others:
                    await fleet.resize(_shrink_to(share))
        await _remove(*others)
        self._blue.stage = None

    def _enter(self, status: str) -> None:
        self._green.stage = Stage(status)
        _log.info(
            "endpoint %s: %s, %.0f %% of the traffic, %d new and %d old instances",
            self._green.context.endpoint,
            status,
            self._traffic.share(self._green) * 100,
            self._green.count,
            self._blue.count,
        )


async def _remove(*fleets: Fleet) -> None:
    for fleet in fleets:
        fleet.stage = Stage("Deleting")
    await asyncio.gather(*(fleet.drain() for fleet in fleets))


def _share(fleet: Fleet) -> float:
    """The share of a fleet's desired instances that are in service; 1 if it needs none."""
    return min(fleet.count / fleet.desired_count, 1.0) if fleet.desired_count else 1.0


def _grow_by(batch: Size) -> Callable[[Variant], int]:
    return lambda variant: min(
        len(variant.instances) + batch.instances(variant.desired_count), variant.desired_count
    )


def _shrink_to(share: float) -> Callable[[Variant], int]:
    """The instances that one fleet keeps while the other one has its share."""
    return lambda variant: min(math.ceil(variant.desired_count * (1 - share) - 1e-9), len(variant.instances))
