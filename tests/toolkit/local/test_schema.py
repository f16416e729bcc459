from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.constraints import Captured, capture
from toolkit.local.awsapi import ApiError
from toolkit.local.iam.mapping.operations import identify
from toolkit.local.schema import compiled
from toolkit.local.validation import parse as parse_call

VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": "m",
    "InstanceType": "ml.c7i.xlarge",
    "InitialInstanceCount": 1,
}


def sent(operation: str, content: bytes) -> Captured:
    """A request to SageMaker."""
    scope, _ = capture("sagemaker", "list_endpoints", {})
    target = (b"x-amz-target", f"SageMaker.{operation}".encode())
    headers = [header for header in scope["headers"] if header[0] != b"x-amz-target"]
    return {**scope, "headers": [*headers, target]}, content


def parse(operation: str, request: object) -> dict[str, Any]:
    scope, body = sent(operation, json.dumps(request).encode())
    return parse_call(identify(scope), body)


def configuration(**variant: object) -> dict[str, Any]:
    return {"EndpointConfigName": "c", "ProductionVariants": [VARIANT | variant]}


def test_a_valid_request_is_returned_unchanged() -> None:
    request = configuration(InitialVariantWeight=0.5, InferenceAmiVersion="al2-ami-sagemaker-inference-gpu-2")
    assert parse("CreateEndpointConfig", request) == request


def test_null_is_absent() -> None:
    assert parse("CreateModel", {"ModelName": "m", "Tags": None}) == {"ModelName": "m"}


def test_unknown_members_are_ignored() -> None:
    assert parse("CreateModel", {"ModelName": "m", "Colour": "blue"})["ModelName"] == "m"


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
def test_violations_have_the_messages_of_aws(request_: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse("CreateEndpointConfig", request_)
    # The query protocol's name; refusals.py has those of the other protocols.
    assert refusal.value.code == "ValidationError"
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
def test_wrong_types_are_serialization_errors(request_: object) -> None:
    with pytest.raises(ApiError) as refusal:
        parse("CreateEndpointConfig", request_)
    assert refusal.value.code == "SerializationException"


def test_invalid_json_is_a_serialization_error() -> None:
    with pytest.raises(ApiError, match="SerializationException"):
        parse_call(identify(sent("AddTags", b"")[0]), b"{")


def test_maps_and_unicode_patterns_are_checked() -> None:
    parameters = {"ResourceArn": "arn:aws:sagemaker:us-east-1:123456789012:model/m", "Tags": []}
    assert parse("AddTags", parameters | {"Tags": [{"Key": "équipe 1", "Value": "平台"}]})
    with pytest.raises(ApiError, match="pattern"):
        parse("AddTags", parameters | {"Tags": [{"Key": "a;b", "Value": ""}]})
    container = {"Environment": {"9": "x"}, "Image": "i"}
    # As recorded for Lambda's `routingConfig.additionalVersionWeights`.
    with pytest.raises(ApiError, match=r"'{9=x}' at 'primaryContainer.environment' failed .*: Map keys must"):
        parse("CreateModel", {"ModelName": "m", "PrimaryContainer": container})


def test_scalars_in_lists_are_reported_with_the_list() -> None:
    # As recorded for Lambda's `vpcConfig.subnetIds`.
    network = {"SecurityGroupIds": ["sg-1"], "Subnets": ["a b"]}
    message = r"'\[a b\]' at 'vpcConfig.subnets' failed .*: Member must satisfy constraint: \[Member"
    with pytest.raises(ApiError, match=message):
        parse("CreateModel", {"ModelName": "m", "VpcConfig": network})


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"[\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}]*", "größer 1 €"),
        (r"[\w-_]*", "a-b"),
        (r"([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,128}", "key"),
        (r"arn:[\p{Alnum}\-]+:x", "arn:aws-cn:x"),
        # The names of a budget and of a cost category.
        (r"^(?![^:\\]*/action/|(?i).*<script>.*</script>.*)[^:\\]+$", "llm-dev"),
        (r"^(?! )[\p{L}\p{N}\p{Z}-_]*(?<! )$", "two words-_"),
    ],
)
def test_patterns_are_translated_from_java(pattern: str, text: str) -> None:
    assert compiled(pattern).fullmatch(text)
