"""Scaling policies at work: an alarm fires, the capacity follows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from toolkit.local.autoscaling.alarms import LOW
from toolkit.local.autoscaling.scaling import Cooldown, Scaler
from toolkit.local.autoscaling.targets import Target
from toolkit.local.metrics.alarms import Firing, find
from toolkit.local.metrics.service import Metrics

Members = dict[str, Any]

# For variants of endpoints, if the policy does not say.
DEFAULT_COOLDOWN_SECONDS = 300


class Policies:
    """Does what the policies of a region's targets ask for.

    Args:
        scaler: changes capacities.
        metrics: what alarms are judged by.
    """

    def __init__(self, scaler: Scaler, metrics: Metrics) -> None:
        self._scaler = scaler
        self._metrics = metrics
        self._cooldowns: dict[tuple[str, bool], Cooldown] = {}

    def act(self, target: Target, policy: Members, firing: Firing) -> None:
        """An alarm of a policy has fired, or goes on firing."""
        points = self._metrics.datapoints(firing.region, firing.alarm)
        if self._scaler.capacity(target) is None or not points:
            return
        if policy["PolicyType"] == "StepScaling":
            self._step(target, policy, firing, points[-1])
        elif LOW in firing.alarm:
            self._track_inwards(target, policy, firing, max(points))
        else:
            self._track_outwards(target, policy, firing, points[-1])

    def _step(self, target: Target, policy: Members, firing: Firing, value: float) -> None:
        config, alarm = policy["StepScalingPolicyConfiguration"], find(firing.region, firing.alarm)
        if alarm is None:
            return
        wanted = stepped(config, value - float(alarm.threshold))
        seconds = config.get("Cooldown", DEFAULT_COOLDOWN_SECONDS)
        capacity = self._scaler.capacity(target) or 0
        if wanted(capacity) < capacity:
            self._inwards(target, policy, firing, wanted(capacity), seconds)
        else:
            self._outwards(target, policy, firing, wanted, seconds)

    def _track_outwards(self, target: Target, policy: Members, firing: Firing, value: float) -> None:
        config = policy["TargetTrackingScalingPolicyConfiguration"]
        seconds = config.get("ScaleOutCooldown", DEFAULT_COOLDOWN_SECONDS)
        self._outwards(target, policy, firing, tracked(config, value), seconds)

    def _track_inwards(self, target: Target, policy: Members, firing: Firing, value: float) -> None:
        """Only as far as all policies of the target agree to."""
        others = [each for each in target.policies.values() if each is not policy and _has_low(each)]
        states = [self._metrics.alarm_state(firing.region, _low(each)) for each in others]
        if any(state != "ALARM" for state in states):
            return
        config = policy["TargetTrackingScalingPolicyConfiguration"]
        seconds = config.get("ScaleInCooldown", DEFAULT_COOLDOWN_SECONDS)
        wanted = tracked(config, value)(self._scaler.capacity(target) or 0)
        self._inwards(target, policy, firing, wanted, seconds)

    def _outwards(
        self, target: Target, policy: Members, firing: Firing, wanted: Callable[[int], int], seconds: float
    ) -> None:
        """What the last time added counts until the cooldown is over: only what is more than that is new."""
        if target.members["SuspendedState"]["DynamicScalingOutSuspended"]:
            return
        capacity = self._scaler.capacity(target) or 0
        last = self._cooldowns.get((policy["PolicyARN"], True))
        before = capacity if last is None or last.over else last.before
        self._change(target, policy, firing, max(wanted(before), capacity), Cooldown(before, True, seconds))

    def _inwards(self, target: Target, policy: Members, firing: Firing, wanted: int, seconds: float) -> None:
        if target.members["SuspendedState"]["DynamicScalingInSuspended"]:
            return
        capacity = self._scaler.capacity(target) or 0
        last = self._cooldowns.get((policy["PolicyARN"], False))
        if last is None or last.over:
            self._change(target, policy, firing, min(wanted, capacity), Cooldown(capacity, False, seconds))

    def _change(
        self, target: Target, policy: Members, firing: Firing, wanted: int, cooldown: Cooldown
    ) -> None:
        cause = (
            f"monitor alarm {firing.alarm} in state {firing.state} triggered policy {policy['PolicyName']}"
        )
        if self._scaler.change(target, wanted, cause, cooldown):
            self._cooldowns[policy["PolicyARN"], cooldown.outwards] = cooldown


def tracked(config: Mapping[str, Any], value: float) -> Callable[[int], int]:
    """What a capacity becomes so that a metric per instance gets to its target."""

    def wanted(capacity: int) -> int:
        # Without instances, the metric is what one of them would have.
        return math.ceil(max(capacity, 1) * value / float(config["TargetValue"]))

    return wanted


def stepped(config: Mapping[str, Any], excess: float) -> Callable[[int], int]:
    """What a capacity becomes by the step that a metric's distance from the threshold is in."""
    step = next((each for each in config.get("StepAdjustments", []) if _contains(each, excess)), None)
    kind, least = config.get("AdjustmentType"), config.get("MinAdjustmentMagnitude", 1)

    def wanted(capacity: int) -> int:
        if step is None:
            return capacity
        adjustment: int = step["ScalingAdjustment"]
        if kind == "ExactCapacity":
            return adjustment
        if kind == "PercentChangeInCapacity":
            change = capacity * adjustment / 100
            # Rounded towards nothing, but at least by what is asked for at least.
            adjustment = int(math.copysign(max(math.floor(abs(change)), least), change))
        return max(capacity + adjustment, 0)

    return wanted


def _contains(step: Mapping[str, Any], excess: float) -> bool:
    """A bound belongs to the step that is farther away from the threshold."""
    low = step.get("MetricIntervalLowerBound", -math.inf)
    high = step.get("MetricIntervalUpperBound", math.inf)
    return bool(low <= excess < high) if excess >= 0 else bool(low < excess <= high)


def _has_low(policy: Members) -> bool:
    return policy["PolicyType"] == "TargetTrackingScaling" and bool(_low(policy))


def _low(policy: Members) -> str:
    return next((alarm["AlarmName"] for alarm in policy["Alarms"] if LOW in alarm["AlarmName"]), "")
