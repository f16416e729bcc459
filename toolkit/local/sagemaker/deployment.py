"""How an update is to go: an endpoint's DeploymentConfig, read and checked."""

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
from toolkit.local.sagemaker.exceptions import DeploymentError, StartTimeoutError
from toolkit.local.sagemaker.fleet import Fleet, Stage, Variant
from toolkit.local.timescale import scaled

# AWS's bounds of a step, in percent of the instances.
_BOUNDS = {"CanarySize": (0, 50), "LinearStepSize": (10, 50), "MaximumBatchSize": (5, 50)}


@dataclass(frozen=True)
class Size:
    """A part of a fleet.

    Attributes:
        value: instances, or percent of them.
        is_percent: which of the two.
    """

    value: float
    is_percent: bool = True

    @classmethod
    def of(cls, capacity: Members) -> Size:
        """From a CapacitySize."""
        return cls(float(capacity["Value"]), capacity["Type"] == "CAPACITY_PERCENT")

    def share(self, total: int) -> float:
        """The part of a fleet of `total` instances, from 0 to 1."""
        return self.value / 100 if self.is_percent else self.value / max(total, 1)

    def instances(self, total: int) -> int:
        """The part of a fleet of `total` instances, at least one of them."""
        return max(math.ceil(self.share(total) * total - 1e-9), 1)


@dataclass(frozen=True)
class Policy:
    """How an update is to go. Times are seconds on AWS.

    Attributes:
        batch: of a rolling update; None for blue/green.
        rollback_batch: of a rolling update that is taken back.
        shares: of blue/green: the new fleet's share of the traffic, step by step.
        interval: how long a step is watched, but for the last one of blue/green.
        bake: how long the last one is.
        limit: for all of it.
        alarms: that take the update back.
    """

    batch: Size | None = None
    rollback_batch: Size = Size(100)
    shares: tuple[float, ...] = (1.0,)
    interval: float = 0.0
    bake: float = 0.0
    limit: float = math.inf
    alarms: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Members | None, total: int) -> Policy:
        """Read a DeploymentConfig for a fleet of `total` instances.

        Raises:
            ApiError: it contradicts itself, or a step is too large or too small.
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
    # A single instance cannot be parted: a rolling update exchanges it as a whole.
    whole = name == "MaximumBatchSize" and size.instances(total) == 1
    if not (least <= percent <= most or whole):
        message = (
            f"{name} must be between {least}% and {most}% of the variant's total instance count ({total})."
        )
        raise ApiError("ValidationException", message)
    return size


_log = logging.getLogger(__name__)


class Choice(NamedTuple):
    """Where a request goes."""

    fleet: Fleet
    variant: Variant


@dataclass
class Traffic:
    """Which fleets an endpoint's requests go to.

    Attributes:
        shares: fleets with their shares of the traffic, which add up to 1; one fleet unless an update
            is moving the traffic, or could not be taken back.
    """

    shares: list[tuple[Fleet, float]] = field(default_factory=list)

    def choose(self, target: str | None) -> Choice | None:
        """Where the next request goes; see `Fleet.choose`."""
        if not self.shares:
            return None
        shares = [share for _, share in self.shares]
        fleet = random.choices(self.fleets, shares)[0]  # noqa: S311 not for security
        variant = fleet.choose(target)
        return Choice(fleet, variant) if variant else None

    @property
    def fleets(self) -> list[Fleet]:
        """The fleets that get requests."""
        return [fleet for fleet, _ in self.shares]

    def share(self, fleet: Fleet) -> float:
        """A fleet's share, from 0 to 1."""
        return sum(share for each, share in self.shares if each is fleet)

    def give(self, fleet: Fleet, share: float) -> None:
        """Give a fleet its share; the others part the rest as they do now."""
        rest = sum(part for each, part in self.shares if each is not fleet)
        scale = (1 - share) / rest if rest else 0.0
        parts = {each: part * scale for each, part in self.shares}
        parts[fleet] = share if rest else 1.0
        self.shares = [(each, part) for each, part in parts.items() if part > 0]


class _Clock:
    """How much of a deployment's time is left. Waiting counts as on AWS, work as long as it takes.

    Args:
        limit: seconds on AWS.
    """

    def __init__(self, limit: float) -> None:
        self._limit = self.left = limit

    async def wait(self, seconds: float) -> None:
        """Wait for so many seconds on AWS."""
        part = min(seconds, self.left)
        await asyncio.sleep(scaled(part))
        self._use(part)
        if part < seconds:
            raise self.error()

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """Work is done for as long as the block lasts."""
        began = time.monotonic()
        try:
            yield
        except StartTimeoutError as error:
            raise self.error() from error
        self._use(time.monotonic() - began)

    def _use(self, seconds: float) -> None:
        self.left -= seconds
        if self.left < 0:
            raise self.error()

    def error(self) -> DeploymentError:
        """There is no time left."""
        return DeploymentError(
            f"The deployment was rolled back because it exceeded its maximum execution time of "
            f"{self._limit:.0f} seconds."
        )


class Deployment:
    """An update in progress.

    Args:
        traffic: the endpoint's. All of it goes to the blue fleet, unless an earlier update could neither
            end nor be taken back: then some goes to what that one had brought up.
        green: not yet started.
        policy: how to go on.
    """

    def __init__(self, traffic: Traffic, blue: Fleet, green: Fleet, policy: Policy) -> None:
        self._traffic = traffic
        self._blue = blue
        self._green = green
        self._stranded = [fleet for fleet in traffic.fleets if fleet is not blue]
        self._policy = policy
        self._clock = _Clock(policy.limit)

    @property
    def moved(self) -> bool:
        """Whether any of the traffic is not the blue fleet's."""
        return self._traffic.share(self._blue) < 1

    async def run(self, alarm: Coroutine[Any, Any, str]) -> None:
        """Bring up the green fleet, and move the traffic to it.

        Args:
            alarm: waits until an alarm fires, and says which and why.

        Raises:
            DeploymentError: an alarm fired, or the time was over: see `roll_back`.
            FleetError: the green fleet is not healthy: see there.
        """
        steps = self._blue_green() if self._policy.batch is None else self._rolling(self._policy.batch)
        moving, firing = asyncio.create_task(steps), asyncio.create_task(alarm)
        try:
            await asyncio.wait({moving, firing}, return_when=asyncio.FIRST_COMPLETED)
            if firing.done():
                message = "The deployment was rolled back because an alarm is in the ALARM state"
                raise DeploymentError(f"{message}: {firing.result()}")
            await moving
        finally:
            for task in (moving, firing):
                task.cancel()
            await asyncio.wait({moving, firing})

    async def _blue_green(self) -> None:
        self._enter("Creating")
        with self._clock.work():
            await self._green.resize(within=self._clock.left)
        for share in self._policy.shares:
            self._enter("ActivatingTraffic")
            self._traffic.give(self._green, share)
            self._enter("Baking")
            await self._clock.wait(self._policy.bake if share == 1 else self._policy.interval)

    async def _rolling(self, batch: Size) -> None:
        green, share = self._green, 0.0
        while share < 1:
            self._enter("Updating" if share else "Creating")
            with self._clock.work():
                await green.resize(_grown(batch), within=self._clock.left)
            share = _share(green)
            self._enter("ActivatingTraffic")
            self._traffic.give(green, share)
            self._enter("Baking")
            await self._clock.wait(self._policy.interval)
            with self._clock.work():
                for fleet in (self._blue, *self._stranded):
                    await fleet.resize(_rest(share))

    async def finish(self) -> None:
        """Stop the blue fleet, and what is stranded, when their last requests are done."""
        self._green.stage = None
        await _remove(self._blue, *self._stranded)

    async def roll_back(self) -> None:
        """Give all traffic back to the blue fleet, and stop the others when their last requests are done.

        Raises:
            FleetError: the blue fleet, part of which had gone, did not come up again; the fleets that have
                the traffic keep it.
        """
        others = (self._green, *self._stranded)
        while self._traffic.share(self._blue) < 1 or _share(self._blue) < 1:
            await self._blue.resize(_grown(self._policy.rollback_batch))
            share = _share(self._blue)
            self._traffic.give(self._blue, share)
            if share < 1:
                for fleet in others:
                    await fleet.resize(_rest(share))
        await _remove(*others)
        self._blue.stage = None

    def _enter(self, status: str) -> None:
        self._green.stage = Stage(status)
        _log.info(
            "endpoint %s: %s, %.0f %% of the traffic, %d new and %d old instances",
            self._green.site.endpoint,
            status,
            self._traffic.share(self._green) * 100,
            self._green.count,
            self._blue.count,
        )


async def _remove(*fleets: Fleet) -> None:
    for fleet in fleets:
        fleet.stage = Stage("Deleting")
    await asyncio.gather(*(fleet.release() for fleet in fleets))


def _share(fleet: Fleet) -> float:
    """How much of a fleet is there; all of one that is to have no instances."""
    return min(fleet.count / fleet.desired_count, 1.0) if fleet.desired_count else 1.0


def _grown(batch: Size) -> Callable[[Variant], int]:
    return lambda variant: min(
        len(variant.instances) + batch.instances(variant.desired_count), variant.desired_count
    )


def _rest(share: float) -> Callable[[Variant], int]:
    """What stays of one fleet when the other one has its share."""
    return lambda variant: min(math.ceil(variant.desired_count * (1 - share) - 1e-9), len(variant.instances))
