"""Scaling policies: target tracking with its own alarms, and step scaling."""

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
# The threshold as a share of the target value, and its comparison operator.
_THRESHOLDS = {HIGH: (1.0, "GreaterThanThreshold"), LOW: (0.9, "LessThanThreshold")}
# Evaluation periods, by the period in seconds: 3 and 15 minutes, or 30 seconds and 15 minutes for high
# resolution metrics.
_EVALUATION = {60: {HIGH: 3, LOW: 15}, 10: {HIGH: 3, LOW: 90}}
# Metric, statistic, period.
_PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": ("ConcurrentRequestsPerModel", "Average", 10),
}


def put_alarms(region: str, target: Target, policy: Members) -> list[dict[str, str]]:
    """Create or update the alarms of a target tracking policy.

    Args:
        region: the target's region.
        target: the target.
        policy: its members in DescribeScalingPolicies; existing alarms keep their names.

    Returns:
        The policy's `Alarms`.

    Raises:
        ApiError: the embedded cloud cannot track the metric.
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
    """All alarms that trigger a policy."""
    return [
        {"AlarmName": alarm.name, "AlarmARN": alarm.alarm_arn}
        for alarm in list(cloudwatch_backends[ACCOUNT_ID][region].alarms.values())
        if policy_arn in (alarm.alarm_actions or ())
    ]


def delete_alarms(region: str, policy: Members) -> None:
    """Delete the alarms of a deleted policy."""
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


# The default for endpoint variants.
DEFAULT_COOLDOWN_SECONDS = 300


class Policies:
    """Applies the policies of a region's targets.

    Args:
        scaler: changes capacities.
        metrics: CloudWatch, for the alarms' datapoints.
    """

    def __init__(self, scaler: Scaler, metrics: Metrics) -> None:
        self._scaler = scaler
        self._metrics = metrics
        self._cooldowns: dict[tuple[str, bool], Cooldown] = {}

    def apply(self, target: Target, policy: Members, firing: Firing) -> None:
        """Apply a policy whose alarm fires."""
        points = self._metrics.datapoints(firing.region, firing.alarm)
        if self._scaler.capacity(target) is None or not points:
            return
        if policy["PolicyType"] == "StepScaling":
            self._step(target, policy, firing, points[-1])
        elif LOW in firing.alarm:
            self._track_scale_in(target, policy, firing, max(points))
        else:
            self._track_scale_out(target, policy, firing, points[-1])

    def _step(self, target: Target, policy: Members, firing: Firing, value: float) -> None:
        config, alarm = policy["StepScalingPolicyConfiguration"], find(firing.region, firing.alarm)
        if alarm is None:
            return
        adjust = stepped_capacity(config, value - float(alarm.threshold))
        seconds = config.get("Cooldown", DEFAULT_COOLDOWN_SECONDS)
        capacity = self._scaler.capacity(target) or 0
        if adjust(capacity) < capacity:
            self._scale_in(target, policy, firing, adjust(capacity), seconds)
        else:
            self._scale_out(target, policy, firing, adjust, seconds)

    def _track_scale_out(self, target: Target, policy: Members, firing: Firing, value: float) -> None:
        config = policy["TargetTrackingScalingPolicyConfiguration"]
        seconds = config.get("ScaleOutCooldown", DEFAULT_COOLDOWN_SECONDS)
        self._scale_out(target, policy, firing, tracked_capacity(config, value), seconds)

    def _track_scale_in(self, target: Target, policy: Members, firing: Firing, value: float) -> None:
        """Scale in, if the low alarms of all the target's policies fire."""
        others = [other for other in target.policies.values() if other is not policy and _has_low(other)]
        if any(self._metrics.alarm_state(firing.region, _low(other)) != "ALARM" for other in others):
            return
        config = policy["TargetTrackingScalingPolicyConfiguration"]
        seconds = config.get("ScaleInCooldown", DEFAULT_COOLDOWN_SECONDS)
        desired = tracked_capacity(config, value)(self._scaler.capacity(target) or 0)
        self._scale_in(target, policy, firing, desired, seconds)

    def _scale_out(
        self, target: Target, policy: Members, firing: Firing, adjust: Callable[[int], int], seconds: float
    ) -> None:
        """Scale out; until the cooldown expires, the capacity added last counts towards the new change."""
        if target.members["SuspendedState"]["DynamicScalingOutSuspended"]:
            return
        capacity = self._scaler.capacity(target) or 0
        last = self._cooldowns.get((policy["PolicyARN"], True))
        before = capacity if last is None or last.expired else last.before
        self._change(target, policy, firing, max(adjust(before), capacity), Cooldown(before, True, seconds))

    def _scale_in(
        self, target: Target, policy: Members, firing: Firing, desired: int, seconds: float
    ) -> None:
        if target.members["SuspendedState"]["DynamicScalingInSuspended"]:
            return
        capacity = self._scaler.capacity(target) or 0
        last = self._cooldowns.get((policy["PolicyARN"], False))
        if last is None or last.expired:
            self._change(target, policy, firing, min(desired, capacity), Cooldown(capacity, False, seconds))

    def _change(
        self, target: Target, policy: Members, firing: Firing, desired: int, cooldown: Cooldown
    ) -> None:
        cause = (
            f"monitor alarm {firing.alarm} in state {firing.state} triggered policy {policy['PolicyName']}"
        )
        if self._scaler.change(target, desired, cause, cooldown):
            self._cooldowns[policy["PolicyARN"], cooldown.scale_out] = cooldown


def tracked_capacity(config: Mapping[str, Any], value: float) -> Callable[[int], int]:
    """The function from a capacity to the one that brings a per-instance metric to its target."""

    def desired(capacity: int) -> int:
        # Without instances, the metric's value is that of one instance.
        return math.ceil(max(capacity, 1) * value / float(config["TargetValue"]))

    return desired


def stepped_capacity(config: Mapping[str, Any], excess: float) -> Callable[[int], int]:
    """The function from a capacity to the adjusted one, by the step of a metric's excess over a threshold."""
    step = next((step for step in config.get("StepAdjustments", []) if _contains(step, excess)), None)
    kind, least = config.get("AdjustmentType"), config.get("MinAdjustmentMagnitude", 1)

    def desired(capacity: int) -> int:
        if step is None:
            return capacity
        adjustment: int = step["ScalingAdjustment"]
        if kind == "ExactCapacity":
            return adjustment
        if kind == "PercentChangeInCapacity":
            change = capacity * adjustment / 100
            # Rounded towards zero, but at least the minimum magnitude.
            adjustment = int(math.copysign(max(math.floor(abs(change)), least), change))
        return max(capacity + adjustment, 0)

    return desired


def _contains(step: Mapping[str, Any], excess: float) -> bool:
    """Whether a step contains an excess; a bound belongs to the step farther from the threshold."""
    low = step.get("MetricIntervalLowerBound", -math.inf)
    high = step.get("MetricIntervalUpperBound", math.inf)
    return bool(low <= excess < high) if excess >= 0 else bool(low < excess <= high)


def _has_low(policy: Members) -> bool:
    return policy["PolicyType"] == "TargetTrackingScaling" and bool(_low(policy))


def _low(policy: Members) -> str:
    return next((alarm["AlarmName"] for alarm in policy["Alarms"] if LOW in alarm["AlarmName"]), "")
