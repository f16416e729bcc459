"""The alarms that a target tracking policy makes for itself, and what they watch."""

from __future__ import annotations

import uuid
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from toolkit.local.autoscaling.targets import Target
from toolkit.local.awsapi import ApiError
from toolkit.local.service import ACCOUNT_ID

Members = dict[str, Any]

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


def put(region: str, target: Target, policy: Members) -> list[dict[str, str]]:
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


def of(region: str, policy_arn: str) -> list[dict[str, str]]:
    """The alarms that set a policy off, whoever made them."""
    return [
        {"AlarmName": alarm.name, "AlarmARN": alarm.alarm_arn}
        for alarm in list(cloudwatch_backends[ACCOUNT_ID][region].alarms.values())
        if policy_arn in (alarm.alarm_actions or ())
    ]


def delete(region: str, policy: Members) -> None:
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
