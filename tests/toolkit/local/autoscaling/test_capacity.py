"""Counts that follow load, alarms and the clock, in a cloud where an hour of waiting takes 18 seconds."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError

from tests.support.asynchronous import Asynchronous
from tests.support.cloud import PATIENT, Aws, Engine, Hosting, eventually, respond
from tests.support.cloudprocess import CloudProcess, running
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.slow

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("scaling"), TOOLKIT_LOCAL_TIME_SCALE="0.005") as cloud:
        yield cloud


@pytest.fixture
def aws(cloud: CloudProcess) -> Aws:
    return lambda service, region="us-east-1", **_: cloud.client(service, region)


@pytest.fixture
def realtime(hosting: Hosting, engine: Engine) -> str:
    return hosting.endpoint(hosting.configuration(container=engine.container, **PATIENT))


class Scaled:
    """An endpoint whose variant is a scalable target."""

    def __init__(self, aws: Aws, hosting: Hosting, endpoint: str, minimum: int, maximum: int) -> None:
        self.aws, self.scaling, self.endpoint = aws, aws("application-autoscaling"), endpoint
        hosting.settled(endpoint)
        self.target = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{self.endpoint}/variant/AllTraffic",
            "ScalableDimension": DIMENSION,
        }
        self.scaling.register_scalable_target(**self.target, MinCapacity=minimum, MaxCapacity=maximum)

    def put_policy(self, name: str, **configuration: Any) -> str:
        """Create a policy; return its ARN."""
        kind = "StepScaling" if "StepScalingPolicyConfiguration" in configuration else "TargetTrackingScaling"
        policy = {"PolicyName": name, "PolicyType": kind, **configuration}
        return str(self.scaling.put_scaling_policy(**policy, **self.target)["PolicyARN"])

    @property
    def count(self) -> int:
        [variant] = self.aws("sagemaker").describe_endpoint(EndpointName=self.endpoint)["ProductionVariants"]
        return int(variant["DesiredInstanceCount"])

    def activities(self) -> list[dict[str, Any]]:
        activities: list[dict[str, Any]] = self.scaling.describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=self.target["ResourceId"]
        )["ScalingActivities"]
        return activities

    def done(self, cause: str) -> dict[str, Any]:
        """Wait for the first activity with this cause to end."""
        matches: list[dict[str, Any]] = []

        def is_done() -> bool:
            matches[:] = [activity for activity in self.activities() if cause in activity["Cause"]]
            return bool(matches) and matches[-1]["StatusCode"] != "InProgress"

        eventually(is_done)
        return matches[-1]


def test_the_count_follows_the_load(aws: Aws, hosting: Hosting, engine: Engine, realtime: str) -> None:
    scaled = Scaled(aws, hosting, realtime, 1, 4)
    tracking = {
        "TargetValue": 2.0,
        "ScaleOutCooldown": 60,
        "ScaleInCooldown": 60,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    }
    scaled_enough = threading.Event()

    def hang(handler: Any, _: dict[str, Any]) -> None:
        scaled_enough.wait(HANG_SECONDS)
        respond(handler, 200, b"{}")

    engine.behaviour = hang
    runtime = aws("sagemaker-runtime")

    def invoke() -> None:
        runtime.invoke_endpoint(EndpointName=scaled.endpoint, Body=b'{"prompt": "p"}')

    threads = [threading.Thread(target=invoke) for _ in range(6)]
    for thread in threads:
        thread.start()
    # Apply the whole load before the first evaluation, so that no alarm sees a part of it.
    eventually(lambda: len(engine.requests) == 6)
    arn = scaled.put_policy("load", TargetTrackingScalingPolicyConfiguration=tracking)
    [policy] = scaled.scaling.describe_scaling_policies(ServiceNamespace="sagemaker", PolicyNames=["load"])[
        "ScalingPolicies"
    ]
    alarms = aws("cloudwatch").describe_alarms(
        AlarmNamePrefix=f"TargetTracking-{scaled.target['ResourceId']}-Alarm"
    )["MetricAlarms"]
    assert {(alarm["Threshold"], alarm["ComparisonOperator"]) for alarm in alarms} == {
        (2.0, "GreaterThanThreshold"),
        (1.8, "LessThanThreshold"),
    }
    assert {alarm["AlarmName"] for alarm in alarms} == {alarm["AlarmName"] for alarm in policy["Alarms"]}
    assert alarms[0]["AlarmActions"] == [arn]

    out = scaled.done("AlarmHigh")
    assert out["StatusCode"] == "Successful"
    assert out["Description"] == "Setting desired instance count to 3."
    assert out["Cause"].startswith("monitor alarm TargetTracking-")
    assert out["Cause"].endswith("in state ALARM triggered policy load")

    scaled_enough.set()
    for thread in threads:
        thread.join(HANG_SECONDS)
    assert scaled.done("AlarmLow")["StatusCode"] == "Successful"
    eventually(lambda: scaled.count == 1)

    scaled.scaling.delete_scaling_policy(PolicyName="load", **scaled.target)
    assert not aws("cloudwatch").describe_alarms(AlarmNames=[alarms[0]["AlarmName"]])["MetricAlarms"]


def test_a_users_alarm_triggers_step_scaling(
    aws: Aws, hosting: Hosting, engine: Engine, realtime: str
) -> None:
    scaled = Scaled(aws, hosting, realtime, 1, 4)
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "Cooldown": 3600,
        "StepAdjustments": [
            {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 5.0, "ScalingAdjustment": 1},
            {"MetricIntervalLowerBound": 5.0, "ScalingAdjustment": 2},
        ],
    }
    arn = scaled.put_policy("queue", StepScalingPolicyConfiguration=steps)
    cloudwatch, namespace = aws("cloudwatch"), scaled.endpoint
    cloudwatch.put_metric_alarm(
        AlarmName=f"{scaled.endpoint}-queue",
        Namespace=namespace,
        MetricName="Waiting",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=10,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[arn],
    )
    [policy] = scaled.scaling.describe_scaling_policies(ServiceNamespace="sagemaker", PolicyNames=["queue"])[
        "ScalingPolicies"
    ]
    assert [alarm["AlarmName"] for alarm in policy["Alarms"]] == [f"{scaled.endpoint}-queue"]
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "Waiting", "Value": 16}])
    activity = scaled.done("triggered policy queue")
    assert activity["StatusMessage"].startswith("Successfully set desired instance count to 3.")
    assert scaled.count == 3


def test_a_scheduled_action_changes_the_bounds(
    aws: Aws, hosting: Hosting, engine: Engine, realtime: str
) -> None:
    scaled = Scaled(aws, hosting, realtime, 1, 4)
    zone = "Asia/Shanghai"

    def schedule_once() -> datetime:
        """Schedule the action; return its end."""
        soon = datetime.now(ZoneInfo(zone)) + timedelta(seconds=2)
        scaled.scaling.put_scheduled_action(
            ScheduledActionName="party",
            Schedule=f"at({soon:%Y-%m-%dT%H:%M:%S})",
            Timezone=zone,
            ScalableTargetAction={"MinCapacity": 2},
            **scaled.target,
        )
        return soon + timedelta(seconds=10)

    with pytest.raises(ClientError, match=r"ValidationException.*has 5 fields"):
        scaled.scaling.put_scheduled_action(
            ScheduledActionName="wrong", Schedule="cron(0 8 * * *)", **scaled.target
        )
    cause, end = "scheduled action name party was triggered", schedule_once()

    def has_begun() -> bool:
        nonlocal end
        if datetime.now(ZoneInfo(zone)) > end:
            end = schedule_once()  # on a busy machine, its time may pass before it is registered
        return any(cause in activity["Cause"] for activity in scaled.activities())

    eventually(has_begun)
    activity = scaled.done(cause)
    assert activity["Cause"].endswith("minimum capacity was set to 2")
    assert scaled.count == 2
    [target] = scaled.scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[scaled.target["ResourceId"]]
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)


def test_an_asynchronous_endpoint_scales_to_zero_and_back(aws: Aws, hosting: Hosting, engine: Engine) -> None:
    """The configuration of the toolkit's module; the queue exists without instances."""
    bucket = f"zero-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=bucket)
    asynchronous = Asynchronous(aws, hosting, engine, bucket)
    asynchronous.start()
    scaled = Scaled(aws, hosting, asynchronous.endpoint, 0, 2)
    dimensions = [{"Name": "EndpointName", "Value": scaled.endpoint}]
    backlog = {"Namespace": "AWS/SageMaker", "MetricName": "ApproximateBacklogSizePerInstance"}
    scaled.put_policy(
        "backlog",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "ScaleInCooldown": 60,
            "CustomizedMetricSpecification": {**backlog, "Dimensions": dimensions, "Statistic": "Average"},
        },
    )
    arn = scaled.put_policy(
        "from-zero",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ChangeInCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        },
    )
    aws("cloudwatch").put_metric_alarm(
        AlarmName=f"{scaled.endpoint}-from-zero",
        Namespace="AWS/SageMaker",
        MetricName="HasBacklogWithoutCapacity",
        Dimensions=dimensions,
        Statistic="Average",
        Period=60,
        EvaluationPeriods=2,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[arn],
    )
    assert scaled.done("AlarmLow")["Description"] == "Setting desired instance count to 0."
    assert scaled.count == 0

    response = asynchronous.invoke()
    assert asynchronous.read(response["OutputLocation"])["Body"].read() == b'{"ok": true}'
    assert scaled.done("triggered policy from-zero")["StatusCode"] == "Successful"
    published = {
        metric["MetricName"] for metric in aws("cloudwatch").list_metrics(Dimensions=dimensions)["Metrics"]
    }
    assert published >= {
        "ApproximateBacklogSize",
        "ApproximateAgeOfOldestRequest",
        "InvocationsProcessed",
        "TimeInBacklog",
        "TotalProcessingTime",
    }
