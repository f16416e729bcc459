"""How an endpoint gets from its old fleet ("blue") to a new one ("green"), and back if that goes wrong."""

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

from toolkit.local.sagemaker.fleet import Fleet, Stage
from toolkit.local.sagemaker.policy import Policy, Size
from toolkit.local.sagemaker.variant import StartTimeoutError, Variant
from toolkit.local.timescale import scaled

_log = logging.getLogger(__name__)


class DeploymentError(Exception):
    """The update must be taken back; the message is a failure reason."""


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
