"""How an endpoint's traffic gets from its old fleet to a new one."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from toolkit.local.sagemaker.fleet import Fleet, Variant


@dataclass
class Traffic:
    """Which fleets an endpoint's requests go to.

    Attributes:
        shares: fleets with their shares of the traffic, which add up to 1; one fleet unless an update
            is moving the traffic.
    """

    shares: list[tuple[Fleet, float]] = field(default_factory=list)

    def choose(self, target: str | None) -> Variant | None:
        """The variant for the next request; see `Fleet.choose`."""
        if not self.shares:
            return None
        shares = [share for _, share in self.shares]
        fleet = random.choices(self.fleets, shares)[0]  # noqa: S311 not for security
        return fleet.choose(target)

    @property
    def fleets(self) -> list[Fleet]:
        """The fleets that get requests."""
        return [fleet for fleet, _ in self.shares]


async def blue_green(traffic: Traffic, green: Fleet) -> None:
    """Start the green fleet beside the blue one, give it all traffic, let the blue one finish and stop it.

    The blue fleet serves until the green one is healthy, and goes on serving if it never is.

    Raises:
        FleetError: the green fleet is not healthy.
    """
    blue = traffic.fleets
    await green.start()
    traffic.shares = [(green, 1.0)]
    for fleet in blue:
        await fleet.drain()
        await fleet.stop()
