"""Models, endpoint configurations and tags, through boto3."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import LLAMA_IMAGE, ROLE, Aws, Hosting

pytestmark = pytest.mark.slow

MODEL: dict[str, Any] = {
    "ExecutionRoleArn": ROLE,
    "EnableNetworkIsolation": True,
    "PrimaryContainer": {
        "Image": LLAMA_IMAGE,
        "Environment": {"SM_LLAMA_CPP_CTX_SIZE": "4096"},
        "ModelDataSource": {
            "S3DataSource": {
                "S3Uri": "s3://bucket/model/",
                "S3DataType": "S3Prefix",
                "CompressionType": "None",
            }
        },
    },
}


@pytest.fixture
def sagemaker(aws: Aws) -> Any:
    return aws("sagemaker")


def error_of(call: Any, **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**members)
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_a_model_is_described_as_created(sagemaker: Any) -> None:
    arn = sagemaker.create_model(ModelName="described", **MODEL)["ModelArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:model/described"
    description = sagemaker.describe_model(ModelName="described")
    assert description["CreationTime"].year > 2000
    # Terraform treats members that were not set as a difference.
    members = description.keys() - {"ResponseMetadata", "CreationTime"}
    assert members == {*MODEL, "ModelName", "ModelArn"}
    assert {name: description[name] for name in MODEL} == MODEL


def test_names_are_unique_until_deletion(sagemaker: Any) -> None:
    sagemaker.create_model(ModelName="once", **MODEL)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:model/once"
    assert error_of(sagemaker.create_model, ModelName="once", **MODEL) == (
        "ValidationException",
        f'Cannot create already existing model "{arn}".',
    )
    sagemaker.delete_model(ModelName="once")
    assert error_of(sagemaker.describe_model, ModelName="once") == (
        "ValidationException",
        f'Could not find model "{arn}".',
    )
    assert error_of(sagemaker.delete_model, ModelName="once")[1] == f'Could not find model "{arn}".'
    sagemaker.create_model(ModelName="once", **MODEL)


def test_regions_do_not_see_each_other(aws: Aws) -> None:
    aws("sagemaker").create_model(ModelName="regional", **MODEL)
    other = aws("sagemaker", region="eu-central-1")
    assert "eu-central-1" in error_of(other.describe_model, ModelName="regional")[1]
    other.create_model(ModelName="regional", **MODEL)


def test_a_configuration_is_described_as_created(sagemaker: Any, hosting: Hosting) -> None:
    name = hosting.configuration(ContainerStartupHealthCheckTimeoutInSeconds=300)
    description = sagemaker.describe_endpoint_config(EndpointConfigName=name)
    [variant] = description["ProductionVariants"]
    assert variant == {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InstanceType": "ml.c7i.xlarge",
        "InitialInstanceCount": 1,
        "InitialVariantWeight": 1.0,
        "ContainerStartupHealthCheckTimeoutInSeconds": 300,
    }
    assert "DataCaptureConfig" not in description
    assert description["EndpointConfigArn"].endswith(f":endpoint-config/{name}")


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (
            [{"VariantName": "v", "ModelName": "no-such", "InstanceType": "ml.c7i.xlarge"}],
            'Could not find model "arn:aws:sagemaker:us-east-1:123456789012:model/no-such".',
        ),
        (
            [{"VariantName": "v", "ModelName": "m", "InstanceType": "ml.nonsense"}],
            "Member must satisfy enum value set",
        ),
        ([{"VariantName": "v", "ModelName": "for-variants"}], "InstanceType is required"),
        ([{"VariantName": "v"}], "ModelName is required"),
        ([{"VariantName": "v"}, {"VariantName": "v"}], "Duplicate production variant names"),
    ],
)
def test_invalid_variants_are_rejected(sagemaker: Any, variants: list[Any], message: str) -> None:
    if "for-variants" not in [model["ModelName"] for model in sagemaker.list_models()["Models"]]:
        sagemaker.create_model(ModelName="for-variants", **MODEL)
    call = sagemaker.create_endpoint_config
    code, error = error_of(call, EndpointConfigName="wrong", ProductionVariants=variants)
    assert code == "ValidationException"
    assert message in error


def test_a_model_needs_a_container_and_a_role(sagemaker: Any) -> None:
    assert "PrimaryContainer" in error_of(sagemaker.create_model, ModelName="m", ExecutionRoleArn=ROLE)[1]
    container = MODEL["PrimaryContainer"]
    _, error = error_of(sagemaker.create_model, ModelName="m", PrimaryContainer=container)
    assert "ExecutionRoleArn" in error


def test_tags_are_added_changed_and_removed(sagemaker: Any) -> None:
    tags = [{"Key": "team", "Value": "平台"}, {"Key": "env", "Value": "local"}]
    arn = sagemaker.create_model(ModelName="tagged", Tags=tags, **MODEL)["ModelArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == sorted(tags, key=lambda tag: tag["Key"])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "env", "Value": "other"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team", "missing"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "env", "Value": "other"}]
    sagemaker.delete_model(ModelName="tagged")
    sagemaker.create_model(ModelName="tagged", **MODEL)
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []


def test_lists_are_filtered_sorted_and_paged(sagemaker: Any) -> None:
    for number in range(5):
        sagemaker.create_model(ModelName=f"listed-{number}", **MODEL)
    pages = sagemaker.get_paginator("list_models").paginate(
        NameContains="listed", SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    names = [[model["ModelName"] for model in page["Models"]] for page in pages]
    assert names == [["listed-0", "listed-1"], ["listed-2", "listed-3"], ["listed-4"]]
    newest_first = sagemaker.list_models(NameContains="listed", MaxResults=1)["Models"]
    assert newest_first[0]["ModelName"] == "listed-4"


def test_missing_resources_are_validation_errors(sagemaker: Any) -> None:
    assert sagemaker.list_training_jobs()["TrainingJobSummaries"] == []
    source = {"SourceUri": "s3://b/k"}
    code, message = error_of(sagemaker.create_context, ContextName="c", Source=source, ContextType="t")
    assert code == "UnknownOperationException"
    assert "embedded cloud does not support" in message
