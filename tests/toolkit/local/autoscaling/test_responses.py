"""Application Auto Scaling, through boto3 in the shared cloud."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Aws, Engine, Hosting

pytestmark = pytest.mark.slow


def variant(name: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


@pytest.fixture
def scaling(aws: Aws) -> Any:
    return aws("application-autoscaling")


def describe(scaling: Any, name: str) -> list[Any]:
    resource = variant(name)["ResourceId"]
    response = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource])
    targets: list[Any] = response["ScalableTargets"]
    return targets


def test_a_target_is_registered_updated_and_deregistered(scaling: Any) -> None:
    arn = scaling.register_scalable_target(**variant("a"), MinCapacity=1, MaxCapacity=4)["ScalableTargetARN"]
    [target] = describe(scaling, "a")
    assert target["ScalableTargetARN"] == arn
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["SuspendedState"]["ScheduledScalingSuspended"] is False
    scaling.register_scalable_target(
        **variant("a"), MaxCapacity=2, SuspendedState={"ScheduledScalingSuspended": True}
    )
    [target] = describe(scaling, "a")
    assert target["ScalableTargetARN"] == arn
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 2)
    assert target["SuspendedState"]["ScheduledScalingSuspended"] is True
    scaling.deregister_scalable_target(**variant("a"))
    assert describe(scaling, "a") == []
    with pytest.raises(ClientError, match="ObjectNotFoundException"):
        scaling.deregister_scalable_target(**variant("a"))


@pytest.mark.parametrize("bounds", [{}, {"MinCapacity": 1}, {"MinCapacity": 3, "MaxCapacity": 2}])
def test_invalid_bounds_are_rejected(scaling: Any, bounds: dict[str, int]) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        scaling.register_scalable_target(**variant("wrong"), **bounds)
    assert describe(scaling, "wrong") == []


def test_tags_are_added_and_changed(scaling: Any) -> None:
    arn = scaling.register_scalable_target(
        **variant("t"), MinCapacity=1, MaxCapacity=1, Tags={"team": "a", "env": "local"}
    )["ScalableTargetARN"]
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "a", "env": "local"}
    scaling.tag_resource(ResourceARN=arn, Tags={"team": "b"})
    scaling.untag_resource(ResourceARN=arn, TagKeys=["env"])
    assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "b"}
    scaling.deregister_scalable_target(**variant("t"))
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        scaling.list_tags_for_resource(ResourceARN=arn)


def test_policies_and_schedules_belong_to_their_target(scaling: Any) -> None:
    with pytest.raises(ClientError, match="ObjectNotFoundException"):
        scaling.put_scaling_policy(PolicyName="p", PolicyType="TargetTrackingScaling", **variant("p"))
    scaling.register_scalable_target(**variant("p"), MinCapacity=1, MaxCapacity=4)
    tracking = {
        "TargetValue": 8.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
        },
    }
    policy = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling", **variant("p")}
    put = scaling.put_scaling_policy(**policy, TargetTrackingScalingPolicyConfiguration=tracking)
    scaling.put_scheduled_action(
        ScheduledActionName="night",
        Schedule="cron(0 22 * * ? *)",
        ScalableTargetAction={"MaxCapacity": 1},
        **variant("p"),
    )
    [policy] = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", PolicyNames=["p"])[
        "ScalingPolicies"
    ]
    assert policy["PolicyARN"] == put["PolicyARN"]
    assert policy["TargetTrackingScalingPolicyConfiguration"] == tracking
    [action] = scaling.describe_scheduled_actions(**variant("p"))["ScheduledActions"]
    assert action["Schedule"] == "cron(0 22 * * ? *)"
    scaling.delete_scaling_policy(PolicyName="p", **variant("p"))
    with pytest.raises(ClientError, match="No scaling policy found"):
        scaling.delete_scaling_policy(PolicyName="p", **variant("p"))
    scaling.deregister_scalable_target(**variant("p"))
    assert scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"] == []


def test_a_target_keeps_the_count_within_its_bounds(scaling: Any, hosting: Hosting, engine: Engine) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    for minimum, maximum, count in ((2, 4, 2), (1, 4, 2), (1, 1, 1)):
        scaling.register_scalable_target(**variant(endpoint), MinCapacity=minimum, MaxCapacity=maximum)
        [summary] = hosting.settled(endpoint)["ProductionVariants"]
        assert summary["DesiredInstanceCount"] == summary["CurrentInstanceCount"] == count
    # Auto Scaling accepts variants that do not exist.
    scaling.register_scalable_target(**variant("no-such"), MinCapacity=1, MaxCapacity=1)
