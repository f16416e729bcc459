"""Permissions by resource tag: endpoints, scalable targets, APIs and API keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.access import enforce_iam
from tests.support.cloud import LLAMA_IMAGE, ROLE, create_role
from tests.support.cloudprocess import CloudProcess, running
from tests.support.iam import allow, document

pytestmark = pytest.mark.slow
MINE = {"StringEquals": {"aws:ResourceTag/deployment": "mine"}}
SERVICE_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    """A cloud that enforces IAM."""
    with running(tmp_path_factory.mktemp("enforcing")) as process:
        enforce_iam(process, True)
        yield process


@pytest.fixture(scope="module")
def ann(cloud: CloudProcess) -> Client:
    """Clients of a user with all permissions on tagged resources."""
    iam = cloud.client("iam")
    iam.create_user(UserName="ann")
    actions = ["apigateway:*", "application-autoscaling:*", "sagemaker:*"]
    policy = document(allow(actions, Condition=MINE))
    iam.put_user_policy(UserName="ann", PolicyName="tagged", PolicyDocument=policy)
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    return lambda service: boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=cloud.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def denied(call: Callable[[], object]) -> bool:
    try:
        call()
    except ClientError as error:
        assert "not authorized" in error.response["Error"]["Message"]
        return True
    return False


def test_models(cloud: CloudProcess, ann: Client) -> None:
    create_role(cloud.client("iam"))
    for owner in ("mine", "yours"):
        cloud.client("sagemaker").create_model(
            ModelName=f"Model-{owner}",
            ExecutionRoleArn=ROLE,
            PrimaryContainer={"Image": LLAMA_IMAGE},
            Tags=[{"Key": "deployment", "Value": owner}],
        )
    sagemaker = ann("sagemaker")
    assert denied(lambda: sagemaker.delete_model(ModelName="Model-yours"))
    sagemaker.delete_model(ModelName="Model-mine")


def test_scalable_targets(cloud: CloudProcess, ann: Client) -> None:
    scaling = cloud.client("application-autoscaling")
    assert SERVICE_ROLE not in [role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]]
    targets = {}
    for owner in ("mine", "yours"):
        targets[owner] = {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{owner}/variant/v",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }
        scaling.register_scalable_target(
            **targets[owner], MinCapacity=1, MaxCapacity=2, Tags={"deployment": owner}
        )
    # As AWS does for an account's first target.
    assert SERVICE_ROLE in [role["RoleName"] for role in cloud.client("iam").list_roles()["Roles"]]
    schedule = {"ScheduledActionName": "s", "Schedule": "cron(0 8 * * ? *)"}
    bounds = {"ScalableTargetAction": {"MinCapacity": 1}}
    anns = ann("application-autoscaling")
    assert denied(lambda: anns.put_scheduled_action(**targets["yours"], **schedule, **bounds))
    anns.put_scheduled_action(**targets["mine"], **schedule, **bounds)


def test_api_keys_and_usage_plans(cloud: CloudProcess, ann: Client) -> None:
    gateway, anns = cloud.client("apigateway"), ann("apigateway")
    for owner, refused in (("mine", False), ("yours", True)):
        tags = {"deployment": owner}
        key = gateway.create_api_key(name=owner, tags=tags)["id"]
        plan = gateway.create_usage_plan(name=owner, tags=tags)["id"]
        attach = {"usagePlanId": plan, "keyId": key, "keyType": "API_KEY"}
        assert denied(lambda attach=attach: anns.create_usage_plan_key(**attach)) is refused  # type: ignore[misc]
        assert denied(lambda key=key: anns.get_api_key(apiKey=key, includeValue=True)) is refused  # type: ignore[misc]


def test_resources_of_an_api_inherit_its_tags(cloud: CloudProcess, ann: Client) -> None:
    gateway, anns = cloud.client("apigateway"), ann("apigateway")
    for owner, refused in (("mine", False), ("yours", True)):
        api = gateway.create_rest_api(name=owner, tags={"deployment": owner})["id"]
        assert denied(lambda api=api: anns.get_resources(restApiId=api)) is refused  # type: ignore[misc]
