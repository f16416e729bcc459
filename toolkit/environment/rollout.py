"""Rollout strategies of new releases.

SageMaker creates a new fleet, shifts traffic to it in steps, watches alarms after each step, and rolls back
to the old fleet if one of them fires. Limits come from its service model in botocore and from the API
reference of TrafficRoutingConfig and RollingUpdatePolicy.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from toolkit.environment.base import ConfigModel, matching

# The service accepts 28800, but the AWS provider only this value up to version 6.
MAX_TIMEOUT = 14400
# AlarmList of the service model.
MAX_ALARMS = 10
# SageMaker publishes its metrics once a minute.
METRICS_EVERY_SECONDS = 60
# To ask the new fleet takes a minute or more. Then the metric of the failed expectations has to arrive, and
# its alarm evaluates it at the end of its period.
QUALITY_SECONDS = 3 * METRICS_EVERY_SECONDS

MAX_WAIT = 3600
Seconds = Annotated[int, Field(ge=0, le=MAX_WAIT)]
Percent = Annotated[float, Field(gt=0, le=100)]
AlarmName = Annotated[str, matching(r"(?=.*\S)[^\x00-\x1f]{1,255}", "use the name of a CloudWatch alarm")]


class Alarms(ConfigModel):
    """Alarms that roll a release back: each threshold that is set creates one."""

    server_error_percent: Percent | None = Field(default=None, examples=[5])
    """Responses with status 5xx, in percent of the requests."""
    model_error_percent: Percent | None = None
    """Responses of the container other than 2xx, in percent of the requests, including client errors."""
    latency_ms: int | None = Field(default=None, ge=1)
    """Average latency of the container in milliseconds, which depends on the length of the responses."""
    extra: Annotated[tuple[AlarmName, ...], Field(max_length=7)] = ()
    """Names of existing CloudWatch alarms."""

    @property
    def thresholds(self) -> int:
        """Number of alarms that are created for each variant."""
        thresholds = (self.server_error_percent, self.model_error_percent, self.latency_ms)
        return sum(threshold is not None for threshold in thresholds)

    @property
    def any(self) -> bool:
        """Whether there is any alarm."""
        return bool(self.extra) or self.thresholds > 0


DEFAULT_ALARMS = Alarms(server_error_percent=5)


class BaseRollout(ConfigModel):
    """Settings of all strategies."""

    strategy: str
    """Rollout strategy."""
    timeout_seconds: int | None = Field(default=None, ge=600, le=MAX_TIMEOUT)
    """Timeout in seconds, after which the rollout is rolled back; by default SageMaker's maximum."""
    alarms: Alarms = DEFAULT_ALARMS
    """Alarms that roll the release back; by default one at 5 % of responses with status 5xx."""
    quality: bool = False
    """Ask the new fleet what the model's `expectations` ask, and roll the release back if one fails."""

    @property
    def waits(self) -> tuple[int, ...]:
        """Time in seconds that the alarms are watched after each step."""
        raise NotImplementedError


class AllAtOnce(BaseRollout):
    """Shifts all traffic to the new fleet as soon as it is in service."""

    strategy: Literal["all_at_once"]
    bake_seconds: Seconds = 0
    """Bake time in seconds: both fleets stay and the alarms are watched after all traffic has shifted."""
    alarms: Alarms = Alarms()
    """Alarms that roll the release back; by default one that fires if every response has status 5xx. A fleet
    that fails to start is rolled back, too."""

    @property
    def waits(self) -> tuple[int, ...]:
        """Time in seconds that the alarms are watched after each step."""
        return (self.bake_seconds,)


class Canary(BaseRollout):
    """Shifts a part of the traffic to the new fleet first, then the rest."""

    strategy: Literal["canary"]
    percent: int = Field(default=10, ge=1, le=50)
    """Size of the canary in percent of the fleet; at least one instance."""
    wait_seconds: Seconds = 300
    """Time in seconds that the canary is watched."""
    bake_seconds: Seconds = 300
    """Bake time in seconds: both fleets stay and the alarms are watched after all traffic has shifted."""

    @property
    def waits(self) -> tuple[int, ...]:
        """Time in seconds that the alarms are watched after each step."""
        return (self.wait_seconds, self.bake_seconds)


class Linear(BaseRollout):
    """Shifts traffic to the new fleet in equal steps."""

    strategy: Literal["linear"]
    percent: int = Field(default=25, ge=10, le=50)
    """Size of a step in percent of the fleet; at least one instance."""
    wait_seconds: Seconds = 120
    """Time in seconds that each step is watched."""
    bake_seconds: Seconds = 300
    """Bake time in seconds: both fleets stay and the alarms are watched after all traffic has shifted."""

    @property
    def waits(self) -> tuple[int, ...]:
        """Time in seconds that the alarms are watched after each step."""
        return (self.wait_seconds,) * (math.ceil(100 / self.percent) - 1) + (self.bake_seconds,)


class Rolling(BaseRollout):
    """Replaces instances in batches, without a second fleet: for scarce GPUs."""

    strategy: Literal["rolling"]
    percent: int = Field(default=25, ge=5, le=50)
    """Size of a batch in percent of the fleet; at least one instance."""
    wait_seconds: Seconds = 120
    """Time in seconds that each batch is watched."""

    @property
    def waits(self) -> tuple[int, ...]:
        """Time in seconds that the alarms are watched after each step."""
        return (self.wait_seconds,) * math.ceil(100 / self.percent)


Rollout = Annotated[AllAtOnce | Canary | Linear | Rolling, Field(discriminator="strategy")]


def default_rollout(smallest_fleet: int) -> AllAtOnce | Canary:
    """The rollout strategy if the file sets none.

    A canary is at most half of a fleet, so it needs two instances.

    Args:
        smallest_fleet: minimum number of instances of each variant.
    """
    return Canary(strategy="canary") if smallest_fleet > 1 else AllAtOnce(strategy="all_at_once")


def quality_namespace(prefix: str) -> str:
    """CloudWatch namespace of the failed expectations of an environment's rollouts."""
    return f"InferenceQuality/{prefix}"
