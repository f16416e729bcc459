"""The alarms that a target tracking policy makes for itself, and what they watch."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from toolkit.local.autoscaling.capacity import Cooldown, Scaler
from toolkit.local.autoscaling.models import Target
from toolkit.local.awsapi import ApiError, Members
from toolkit.local.cloudwatch.alarms import Firing, find
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.service import ACCOUNT_ID

HIGH, LOW = "AlarmHigh", "AlarmLow"
# Share of the target, and how a datapoint is compared with it.
_THRESHOLDS = {HIGH: (1.0, "GreaterThanThreshold"), LOW: (0.9, "LessThanThreshold")}
# How many periods of so many seconds must be above, and below; both are three and fifteen minutes, or for
# metrics of high resolution half a minute and fifteen.
_EVALUATION = {60: {HIGH: 3, LOW: 15}, 10: {HIGH: 3, LOW: 90}}
# Metric, statistic, period.
_PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": ("ConcurrentRequestsPerModel", "Average", 10),
}


def put_alarms(region: str, target: Target, policy: Members) -> list[dict[str, str]]:
    """Make or change the alarms of a policy.

    Args:
        region: the target's.
        target: whose capacity is tracked.
        policy: as DescribeScalingPolicies answers it; alarms that it has keep their names.

    Returns:
        The policy's `Alarms`.

    Raises:
        ApiError: the metric is none that the embedded cloud can track.
    """
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    metric = _metric(target, tracking)
    kinds = [HIGH] if tracking.get("DisableScaleIn") else [HIGH, LOW]
    backend = cloudwatch_backends[ACCOUNT_ID][region]
    names = [alarm["AlarmName"] for alarm in policy["Alarms"]]
    old = {kind: name for name in names for kind in (HIGH, LOW) if kind in name}
    backend.delete_alarms([name for kind, name in old.items() if kind not in kinds])
    alarms = []
    for kind in kinds:
        name = old.get(kind) or f"TargetTracking-{target.resource_id}-{kind}-{uuid.uuid4()}"
        share, comparison = _THRESHOLDS[kind]
        alarm = backend.put_metric_alarm(
            name=name,
            comparison_operator=comparison,
            evaluation_periods=_EVALUATION[metric["period"]][kind],
            threshold=tracking["TargetValue"] * share,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
            alarm_actions=[policy["PolicyARN"]],
            **metric,
        )
        alarms.append({"AlarmName": name, "AlarmARN": alarm.alarm_arn})
    return alarms


def alarms_of(region: str, policy_arn: str) -> list[dict[str, str]]:
    """The alarms that set a policy off, whoever made them."""
    return [
        {"AlarmName": alarm.name, "AlarmARN": alarm.alarm_arn}
        for alarm in list(cloudwatch_backends[ACCOUNT_ID][region].alarms.values())
        if policy_arn in (alarm.alarm_actions or ())
    ]


def delete_alarms(region: str, policy: Members) -> None:
    """Remove the alarms that a policy made which is no more."""
    names = [alarm["AlarmName"] for alarm in policy["Alarms"]]
    cloudwatch_backends[ACCOUNT_ID][region].delete_alarms(names)


def _metric(target: Target, tracking: Members) -> Members:
    custom = tracking.get("CustomizedMetricSpecification")
    if custom is not None:
        if "Metrics" in custom:
            message = "The embedded cloud cannot track metric math: name a metric."
            raise ApiError("ValidationException", message)
        return {
            "namespace": custom["Namespace"],
            "metric_name": custom["MetricName"],
            "statistic": custom["Statistic"],
            "period": 60,
            "dimensions": custom.get("Dimensions", []),
            "unit": custom.get("Unit"),
        }
    kind = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    if kind not in _PREDEFINED:
        raise ApiError(
            "ValidationException", f"The metric type {kind} is not available for {target.resource_id}."
        )
    name, statistic, period = _PREDEFINED[kind]
    _, endpoint, _, variant = target.resource_id.split("/")
    return {
        "namespace": "AWS/SageMaker",
        "metric_name": name,
        "statistic": statistic,
        "period": period,
        "dimensions": [
            {"Name": "EndpointName", "Value": endpoint},
            {"Name": "VariantName", "Value": variant},
        ],
    }


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
