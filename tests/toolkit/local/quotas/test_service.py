"""Service Quotas, and the services that enforce them, through boto3. The other tests use other regions."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.access import call
from tests.support.cloud import LLAMA_IMAGE, PATIENT, ROLE, Aws, Engine, aws_clients, create_role
from tests.support.patience import wait_for
from toolkit.local.client import RunningCloud

pytestmark = pytest.mark.slow

REGION, TYPE = "eu-west-3", "ml.g6.xlarge"
NAME = f"{TYPE} for endpoint usage"


@pytest.fixture
def regional(cloud: RunningCloud) -> Any:
    """Creates clients of this region."""
    create_role(aws_clients(cloud)("iam"))
    return lambda service: aws_clients(cloud)(service, REGION)


def set_quota(cloud: RunningCloud, name: str, value: float | None, service: str = "sagemaker") -> None:
    quota = {"region": REGION, "service": service, "name": name, "value": value}
    assert call(cloud, "/_toolkit/quotas", quota) == quota


def quota_of(quotas: Any, name: str) -> dict[str, Any] | None:
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
    return next((item for page in pages for item in page["Quotas"] if item["QuotaName"] == name), None)


def configuration(sagemaker: Any, name: str, engine: Engine, count: int) -> str:
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": LLAMA_IMAGE, **engine.container}
    )
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": TYPE, **PATIENT}
    variants = [{**variant, "InitialInstanceCount": count}]
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants)
    return name


def test_instances_are_limited_until_an_increase_is_requested(
    cloud: RunningCloud, regional: Any, engine: Engine
) -> None:
    sagemaker, quotas = regional("sagemaker"), regional("service-quotas")
    one, two = (configuration(sagemaker, f"quota-{count}", engine, count) for count in (1, 2))
    set_quota(cloud, NAME, 1)
    quota = quota_of(quotas, NAME)
    assert quota is not None
    assert quota["Value"] == 1

    def refused(message: str, operation: Any, **members: Any) -> None:
        with pytest.raises(ClientError) as error:
            operation(**members)
        assert error.value.response["Error"]["Code"] == "ResourceLimitExceeded"
        assert f"'{NAME}' is {message}" in error.value.response["Error"]["Message"]

    delta = "with current utilization of {} Instances and a request delta of {} Instances."
    refused(
        "1 Instances, " + delta.format(0, 2),
        sagemaker.create_endpoint,
        EndpointName="quota",
        EndpointConfigName=two,
    )
    sagemaker.create_endpoint(EndpointName="quota", EndpointConfigName=one)
    describe = sagemaker.describe_endpoint
    wait_for(lambda: describe(EndpointName="quota")["EndpointStatus"] == "InService", "the endpoint")
    try:
        # Blue and green at once.
        refused(
            "1 Instances, " + delta.format(1, 1),
            sagemaker.update_endpoint,
            EndpointName="quota",
            EndpointConfigName=one,
        )
        scale = {"VariantName": "AllTraffic", "DesiredInstanceCount": 2}
        refused(
            "1 Instances, " + delta.format(1, 1),
            sagemaker.update_endpoint_weights_and_capacities,
            EndpointName="quota",
            DesiredWeightsAndCapacities=[scale],
        )
        increase = quotas.request_service_quota_increase
        granted = increase(ServiceCode="sagemaker", QuotaCode=quota["QuotaCode"], DesiredValue=2)
        assert granted["RequestedQuota"]["QuotaName"] == NAME
        sagemaker.update_endpoint(EndpointName="quota", EndpointConfigName=one)
        with pytest.raises(ClientError, match="greater than the current quota value"):
            increase(ServiceCode="sagemaker", QuotaCode=quota["QuotaCode"], DesiredValue=2)
        wait_for(lambda: describe(EndpointName="quota")["EndpointStatus"] == "InService", "the update")
    finally:
        sagemaker.delete_endpoint(EndpointName="quota")


def test_an_instance_type_that_a_region_lacks_has_no_quota(cloud: RunningCloud, regional: Any) -> None:
    name = "ml.p5.48xlarge for endpoint usage"
    assert quota_of(regional("service-quotas"), name) is not None
    set_quota(cloud, name, None)
    assert quota_of(regional("service-quotas"), name) is None


def test_concurrency_of_functions(cloud: RunningCloud, regional: Any) -> None:
    set_quota(cloud, "Concurrent executions", 10, "lambda")
    limit = regional("lambda").get_account_settings()["AccountLimit"]
    assert limit["ConcurrentExecutions"] == limit["UnreservedConcurrentExecutions"] == 10


def test_layers_of_other_accounts(aws: Aws) -> None:
    arn = "arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:{}"
    assert aws("lambda").get_layer_version_by_arn(Arn=arn.format(30))["Version"] == 30
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws("lambda").get_layer_version_by_arn(Arn=arn.format(30).replace("Adapter", "Adaptor"))


def test_images_of_aws(aws: Aws) -> None:
    tags = [{"imageTag": tag} for tag in ("server-sagemaker-cuda-v2", "server-sagemaker-cuda-v0")]
    response = aws("ecr").batch_get_image(registryId="763104351884", repositoryName="vllm", imageIds=tags)
    assert [image["imageId"]["imageTag"] for image in response["images"]] == ["server-sagemaker-cuda-v2"]
    assert [failure["failureCode"] for failure in response["failures"]] == ["ImageNotFound"]
