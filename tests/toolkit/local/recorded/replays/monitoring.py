"""Application Auto Scaling, CloudWatch, WAF and other services."""

from __future__ import annotations

from typing import Any

from tests.toolkit.local.recorded.lab import ACCOUNT, SMOLLM2, Lab
from tests.toolkit.local.recorded.replays.base import REPLAYS, Replay, ask

DIMENSION = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
TARGET = {**DIMENSION, "ResourceId": f"endpoint/{SMOLLM2}/variant/AllTraffic"}
UNKNOWN_TARGET = {**DIMENSION, "ResourceId": "endpoint/nope/variant/v"}
PREDEFINED = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}


def registered(lab: Lab) -> Any:
    _ = lab.endpoint
    scaling = lab.client("application-autoscaling")
    scaling.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    return scaling


def again_with_tags(lab: Lab) -> str:
    registered(lab)
    return lab.ask(
        *("application-autoscaling", "register_scalable_target"),
        **TARGET,
        MinCapacity=1,
        MaxCapacity=4,
        Tags={"a": "b"},
    )


def scaling_role(lab: Lab) -> str:
    targets = registered(lab).describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    role = str(targets[0]["RoleARN"])
    prefix = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    name = role.removeprefix(prefix)
    if name != "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint":
        return role
    return (
        "arn:aws:iam::…:role/aws-service-role/<ns>.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_<X> (SageMakerEndpoint)"
    )


def alarm(**members: Any) -> Replay:
    base = {"AlarmName": "fid", "Namespace": "n", "MetricName": "m", "Statistic": "Sum", "Period": 60}
    base |= {"EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    return ask("cloudwatch", "put_metric_alarm", **{**base, **members})


REPLAYS |= {
    "register an existing target with tags": again_with_tags,
    "deregister unknown": ask("application-autoscaling", "deregister_scalable_target", **UNKNOWN_TARGET),
    "delete_scaling_policy unknown": lambda lab: (
        registered(lab)
        and lab.ask("application-autoscaling", "delete_scaling_policy", PolicyName="nope", **TARGET)
    ),
    "put_scaling_policy without target": ask(
        *("application-autoscaling", "put_scaling_policy"),
        **UNKNOWN_TARGET,
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 1,
            "PredefinedMetricSpecification": PREDEFINED,
        },
    ),
    "RoleARN of the service-linked role": scaling_role,
    "alarm period 61": alarm(Period=61),
    "alarm DatapointsToAlarm > EvaluationPeriods": alarm(DatapointsToAlarm=2),
    "put_logging/get unknown web ACL": ask(
        "wafv2", "get_web_acl", Name="nope", Scope="REGIONAL", Id="11111111-1111-1111-1111-111111111111"
    ),
    "set_alarm_state: unknown state": ask(
        "cloudwatch", "set_alarm_state", AlarmName="a", StateValue="INVALID", StateReason="r"
    ),
    "filter_log_events: limit": ask("logs", "filter_log_events", logGroupName="g", limit=10001),
    "generate_random: too many bytes": ask("kms", "generate_random", NumberOfBytes=1025),
    "put_targets: malformed id": ask(
        "events",
        "put_targets",
        Rule="r",
        Targets=[{"Id": "!@#$@!#$", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}],
    ),
}
