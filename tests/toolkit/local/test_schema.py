from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from toolkit.local.autoscaling.service import AutoScalingService
from toolkit.local.awsapi import ApiError
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.sagemaker.service import SageMakerService
from toolkit.local.schema import Schema, compiled, reduced
from toolkit.local.service import Cloud

VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "m",
    "InstanceType": "ml.c7i.xlarge",
    "InitialInstanceCount": 1,
}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema("sagemaker", ["CreateEndpointConfig", "CreateModel", "AddTags", "ListEndpoints"])


def parse(schema: Schema, operation: str, request: object) -> dict[str, Any]:
    return schema.parse(operation, json.dumps(request).encode())


def configuration(**variant: object) -> dict[str, Any]:
    return {"EndpointConfigName": "c", "ProductionVariants": [VARIANT | variant]}


def test_a_valid_request_is_returned_unchanged(schema: Schema) -> None:
    request = configuration(InitialVariantWeight=0.5, InferenceAmiVersion="al2-ami-sagemaker-inference-gpu-2")
    assert parse(schema, "CreateEndpointConfig", request) == request


def test_unknown_members_are_ignored(schema: Schema) -> None:
    assert parse(schema, "CreateModel", {"ModelName": "m", "Colour": "blue"})["ModelName"] == "m"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"EndpointConfigName": "c"},
            "1 validation error detected: Value null at 'productionVariants' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            configuration(InstanceType="ml.huge"),
            "Value 'ml.huge' at 'productionVariants.1.member.instanceType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ml.",
        ),
        (
            configuration(InitialInstanceCount=0),
            "Value '0' at 'productionVariants.1.member.initialInstanceCount' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            configuration() | {"EndpointConfigName": "not a name"},
            "Value 'not a name' at 'endpointConfigName' failed to satisfy constraint: Member must satisfy "
            "regular expression pattern: ",
        ),
        (configuration() | {"EndpointConfigName": "n" * 64}, "have length less than or equal to 63"),
        ({"EndpointConfigName": "c", "ProductionVariants": []}, "have length greater than or equal to 1"),
        ({}, "2 validation errors detected: "),
    ],
)
def test_violations_have_the_messages_of_aws(schema: Schema, request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(schema, "CreateEndpointConfig", request_)
    assert refusal.value.code == "ValidationException"
    assert message in refusal.value.message


@pytest.mark.parametrize(
    "request_",
    [
        [1],
        {"EndpointConfigName": 5, "ProductionVariants": []},
        {"EndpointConfigName": "c", "ProductionVariants": "none"},
        configuration(InitialInstanceCount="1"),
        configuration(InitialInstanceCount=True),
        configuration(EnableSSMAccess=1),
    ],
)
def test_wrong_types_are_serialization_errors(schema: Schema, request_: object) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(schema, "CreateEndpointConfig", request_)
    assert refusal.value.code == "SerializationException"


def test_invalid_json_is_a_serialization_error(schema: Schema) -> None:
    with pytest.raises(ApiError, match="SerializationException"):
        schema.parse("AddTags", b"{")


def test_maps_and_unicode_patterns_are_checked(schema: Schema) -> None:
    parameters = {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m", "Tags": []}
    assert parse(schema, "AddTags", parameters | {"Tags": [{"Key": "équipe 1", "Value": "平台"}]})
    with pytest.raises(ApiError, match="pattern"):
        parse(schema, "AddTags", parameters | {"Tags": [{"Key": "a;b", "Value": ""}]})
    container = {"Environment": {"9": "x"}, "Image": "i"}
    with pytest.raises(ApiError, match=r"'9' at 'primaryContainer.environment.9'"):
        parse(schema, "CreateModel", {"ModelName": "m", "PrimaryContainer": container})


def service_operations() -> dict[str, set[str]]:
    """The operations that the cloud implements, by botocore's service name."""
    cloud = Cloud(Path("unused"), "http://127.0.0.1:1", "id")
    services = {
        "sagemaker": SageMakerService(cloud, Enforcement(), Metrics()),
        "application-autoscaling": AutoScalingService({}, Metrics()),
    }
    own = {
        name: {operation for route in service.routes() for operation in getattr(route, "operations", ())}
        for name, service in services.items()
    }
    return own | {"sagemaker-runtime": {"InvokeEndpointAsync"}}


@pytest.mark.parametrize(("service", "operations"), service_operations().items())
def test_every_pattern_in_use_can_be_compiled(service: str, operations: set[str]) -> None:
    model = Loader().load_service_model(service, "service-2")
    assert operations
    for operation in operations:
        shapes = reduced(model, operation)["shapes"].values()
        for pattern in {shape["pattern"] for shape in shapes if "pattern" in shape}:
            compiled(pattern)
