"""How a new release takes over from the old one.

SageMaker makes a new fleet, gives it traffic in steps, watches alarms while it waits after each step, and
goes back to the old fleet if one of them fires. Limits are those of its service model, as botocore carries
it, and of the API reference of TrafficRoutingConfig and RollingUpdatePolicy.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.base import ConfigModel, matching

# The service takes 28800 by now, the AWS provider until its version 6 no more than this.
MAX_TIMEOUT = 14400
# AlarmList of the service model.
MAX_ALARMS = 10
# What CloudWatch needs at least to see anything: SageMaker publishes its metrics once a minute.
METRICS_EVERY_SECONDS = 60

Seconds = Annotated[int, Field(ge=0, le=3600)]
Percent = Annotated[float, Field(gt=0, le=100)]
AlarmName = Annotated[str, matching(r"(?=.*\S)[^\x00-\x1f]{1,255}", "the name of a CloudWatch alarm")]


class Alarms(ConfigModel):
    """What sends a release back: each threshold makes an alarm, and those that are not given make none."""

    server_error_percent: Percent | None = Field(default=None, examples=[5])
    """Answers with a status of 5xx, in percent of the requests."""
    model_error_percent: Percent | None = None
    """Answers of the container that are no 2xx, in percent of the requests; clients' mistakes count, too."""
    latency_ms: int | None = Field(default=None, ge=1)
    """How long the container takes on average, in milliseconds; it grows with the length of the answers."""
    extra: Annotated[tuple[AlarmName, ...], Field(max_length=7)] = ()
    """Names of CloudWatch alarms that exist already."""

    @property
    def thresholds(self) -> int:
        """How many alarms are made for each variant."""
        given = (self.server_error_percent, self.model_error_percent, self.latency_ms)
        return sum(threshold is not None for threshold in given)

    @property
    def any(self) -> bool:
        """Whether there is anything to watch."""
        return bool(self.extra) or self.thresholds > 0


DEFAULT_ALARMS = Alarms(server_error_percent=5)


class BaseRollout(ConfigModel):
    """What all strategies have in common."""

    strategy: str
    """How traffic moves."""
    timeout_seconds: int | None = Field(default=None, ge=600, le=MAX_TIMEOUT)
    """How long a rollout may take in all, or it is taken back; by default as long as SageMaker lets it."""
    alarms: Alarms = DEFAULT_ALARMS
    """What sends a release back; by default 5 % of answers with a status of 5xx."""

    @property
    def waits(self) -> tuple[int, ...]:
        """How long the alarms are watched after each step, in seconds."""
        raise NotImplementedError


class AllAtOnce(BaseRollout):
    """The new fleet gets all traffic as soon as it is there."""

    strategy: Literal["all_at_once"]
    """How traffic moves."""
    bake_seconds: Seconds = 0
    """How long both fleets stay, and the alarms are watched, after the traffic has moved."""
    alarms: Alarms = Alarms()
    """What sends a release back; by default nothing but a fleet that does not start."""

    @property
    def waits(self) -> tuple[int, ...]:
        """How long the alarms are watched after each step, in seconds."""
        return (self.bake_seconds,)


class Canary(BaseRollout):
    """The new fleet gets a part of the traffic first, and then the rest."""

    strategy: Literal["canary"]
    """How traffic moves."""
    percent: int = Field(default=10, ge=1, le=50)
    """The first part, in percent of the fleet; at least one instance."""
    wait_seconds: Seconds = 300
    """How long the first part is watched."""
    bake_seconds: Seconds = 300
    """How long both fleets stay, and the alarms are watched, after the traffic has moved."""

    @property
    def waits(self) -> tuple[int, ...]:
        """How long the alarms are watched after each step, in seconds."""
        return (self.wait_seconds, self.bake_seconds)


class Linear(BaseRollout):
    """The new fleet gets the traffic in equal steps."""

    strategy: Literal["linear"]
    """How traffic moves."""
    percent: int = Field(default=25, ge=10, le=50)
    """A step, in percent of the fleet; at least one instance."""
    wait_seconds: Seconds = 120
    """How long each step is watched."""
    bake_seconds: Seconds = 300
    """How long both fleets stay, and the alarms are watched, after the traffic has moved."""

    @property
    def waits(self) -> tuple[int, ...]:
        """How long the alarms are watched after each step, in seconds."""
        return (self.wait_seconds,) * (math.ceil(100 / self.percent) - 1) + (self.bake_seconds,)


class Rolling(BaseRollout):
    """Instances are replaced batch by batch: no second fleet is needed, where GPUs are scarce."""

    strategy: Literal["rolling"]
    """How traffic moves."""
    percent: int = Field(default=25, ge=5, le=50)
    """A batch, in percent of the fleet; at least one instance."""
    wait_seconds: Seconds = 120
    """How long each batch is watched."""

    @property
    def waits(self) -> tuple[int, ...]:
        """How long the alarms are watched after each step, in seconds."""
        return (self.wait_seconds,) * math.ceil(100 / self.percent)


Rollout = Annotated[AllAtOnce | Canary | Linear | Rolling, Field(discriminator="strategy")]


def default_rollout(smallest_fleet: int) -> AllAtOnce | Canary:
    """How a release is rolled out if the file says nothing of it.

    A canary is at most half of a fleet, so one instance alone cannot have any.

    Args:
        smallest_fleet: how many instances each variant has at least.
    """
    return Canary(strategy="canary") if smallest_fleet > 1 else AllAtOnce(strategy="all_at_once")
