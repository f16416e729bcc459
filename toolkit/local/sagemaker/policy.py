"""How an update is to go: an endpoint's DeploymentConfig, read and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.store import Members

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
