"""How an endpoint gets from its old fleet ("blue") to a new one ("green"), and back if that goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
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
            is moving the traffic.
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

    def split(self, blue: Fleet, green: Fleet, share: float) -> None:
        """Give the green fleet its share, and the blue one the rest."""
        self.shares = [(fleet, part) for fleet, part in ((blue, 1 - share), (green, share)) if part > 0]


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
        traffic: the endpoint's, all of which goes to the blue fleet.
        green: not yet started.
        policy: how to go on.
    """

    def __init__(self, traffic: Traffic, blue: Fleet, green: Fleet, policy: Policy) -> None:
        self._traffic = traffic
        self._blue = blue
        self._green = green
        self._policy = policy
        self._clock = _Clock(policy.limit)

    @property
    def moved(self) -> bool:
        """Whether the green fleet has any of the traffic."""
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
            self._traffic.split(self._blue, self._green, share)
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
            self._traffic.split(self._blue, green, share)
            self._enter("Baking")
            await self._clock.wait(self._policy.interval)
            with self._clock.work():
                await self._blue.resize(_rest(share))

    async def finish(self) -> None:
        """Stop the blue fleet, when its last requests are done."""
        self._green.stage = None
        self._blue.stage = Stage("Deleting")
        await self._blue.release()

    async def roll_back(self) -> None:
        """Give all traffic back to the blue fleet, and stop the green one when its last requests are done.

        Raises:
            FleetError: the blue fleet, part of which had gone, did not come up again.
        """
        while self._traffic.share(self._blue) < 1 or _share(self._blue) < 1:
            await self._blue.resize(_grown(self._policy.rollback_batch))
            share = _share(self._blue)
            self._traffic.split(self._blue, self._green, 1 - share)
            if share < 1:
                await self._green.resize(_rest(share))
        self._green.stage = Stage("Deleting")
        await self._green.release()
        self._blue.stage = None

    def _enter(self, status: str) -> None:
        self._green.stage = Stage(status)


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
