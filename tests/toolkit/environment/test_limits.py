"""Limits of the environment file match SageMaker's service model."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session
import pytest

from toolkit.environment import schema
from toolkit.environment.rollout import MAX_ALARMS

# (definition and key in the schema, shape in the service model)
BOUNDS = [
    ("Serverless", "memory_mb", "ServerlessMemorySizeInMB"),
    ("Serverless", "max_concurrency", "ServerlessMaxConcurrency"),
    ("Serverless", "provisioned_concurrency", "ServerlessProvisionedConcurrency"),
    ("Async", "max_concurrent_invocations", "MaxConcurrentInvocationsPerInstance"),
    ("Canary", "wait_seconds", "WaitIntervalInSeconds"),
    ("Linear", "wait_seconds", "WaitIntervalInSeconds"),
    ("Rolling", "wait_seconds", "WaitIntervalInSeconds"),
    ("Canary", "bake_seconds", "TerminationWaitInSeconds"),
    ("AllAtOnce", "bake_seconds", "TerminationWaitInSeconds"),
    ("Model", "startup_timeout_seconds", "ProductionVariantContainerStartupHealthCheckTimeoutInSeconds"),
    ("Model", "download_timeout_seconds", "ProductionVariantModelDataDownloadTimeoutInSeconds"),
    ("Model", "volume_size_gb", "ProductionVariantVolumeSizeInGB"),
    ("Vpc", "subnet_ids", "Subnets"),
    ("Vpc", "security_group_ids", "VpcSecurityGroupIds"),
]


@cache
def service_model() -> dict[str, Any]:
    shapes: dict[str, Any] = (
        botocore.session.get_session()
        .get_component("data_loader")
        .load_service_model("sagemaker", "service-2")
    )["shapes"]
    return shapes


def key(definition: str, name: str) -> dict[str, Any]:
    value = schema.schema()["$defs"][definition]["properties"][name]
    options: list[dict[str, Any]] = value.get("anyOf", [value])
    return next(option for option in options if option.get("type") != "null")


@pytest.mark.parametrize(("definition", "name", "shape"), BOUNDS)
def test_bounds_match_the_service_model(definition: str, name: str, shape: str) -> None:
    ours, service_shape = key(definition, name), service_model()[shape]
    kind = ("minItems", "maxItems") if ours["type"] == "array" else ("minimum", "maximum")
    assert (ours[kind[0]], ours[kind[1]]) == (service_shape["min"], service_shape["max"])


def test_the_rollout_timeout_suits_service_and_provider() -> None:
    service_shape = service_model()["MaximumExecutionTimeoutInSeconds"]
    ours = key("Canary", "timeout_seconds")
    assert ours["minimum"] == service_shape["min"]
    # The AWS provider 5.100 validates less than the service allows.
    assert ours["maximum"] == 14400 <= service_shape["max"]


def test_the_number_of_alarms_matches_the_service_model() -> None:
    assert service_model()["AlarmList"]["max"] == MAX_ALARMS


def test_variants_match_the_service_model() -> None:
    variants = key("Model", "variants")
    assert variants["maxProperties"] == service_model()["ProductionVariantList"]["max"]
    (pattern,) = variants["patternProperties"]
    assert service_model()["VariantName"]["pattern"] in pattern


def test_variables_leave_room_for_those_of_the_toolkit() -> None:
    assert key("VllmServing", "environment")["maxProperties"] < service_model()["EnvironmentMap"]["max"]


@pytest.mark.parametrize(
    ("definition", "name", "shape"),
    [("Async", "success_topic_arn", "SnsTopicArn"), ("Model", "kms_key_arn", "KmsKeyId")],
)
@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sns:us-east-1:123456789012:done",
        "arn:aws-us-gov:sns:us-gov-west-1:123456789012:a.b",
        "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "arn:aws-cn:kms:cn-north-1:123456789012:alias/team/models",
    ],
)
def test_accepted_arns_match_the_service_model(definition: str, name: str, shape: str, arn: str) -> None:
    match = re.search(key(definition, name)["pattern"], arn)
    assert match is None or re.fullmatch(service_model()[shape]["pattern"], arn)
    assert bool(match) == (f":{'sns' if shape == 'SnsTopicArn' else 'kms'}:" in arn)


def test_strategies_and_routing_match_the_service_model() -> None:
    types = {name.lower() for name in service_model()["TrafficRoutingConfigType"]["enum"]}
    assert types == {"all_at_once", "canary", "linear"}
    routing = {name.lower() for name in service_model()["RoutingStrategy"]["enum"]}
    assert set(key("Model", "routing")["enum"]) <= routing
