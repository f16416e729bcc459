"""Every constraint of AWS's service models, of every operation that the stacks and commands use."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import FlexibleChecksumError
from botocore.model import OperationModel
from botocore.parsers import create_parser
from starlette.types import Receive, Scope, Send

from tests.support.checkout import ROOT
from tests.support.constraints import Captured, Constraint, capture, client, constraints
from toolkit.local.validation import ValidationMiddleware

# Of an action's prefix, where botocore has another name.
SERVICES = {
    "bedrock": ("bedrock", "bedrock-runtime"),
    "logs": ("logs",),
    "sagemaker": ("sagemaker", "sagemaker-runtime"),
}
# Used by commands or tests of the cloud, but not named by a policy, or under another name.
MORE = """
cloudwatch:GetMetricData cloudwatch:GetMetricStatistics cloudwatch:ListMetrics cloudwatch:PutMetricData
cloudwatch:SetAlarmState iam:CreatePolicy iam:CreateOpenIDConnectProvider kms:Decrypt kms:DescribeKey
lambda:Invoke lambda:PutFunctionConcurrency lambda:PutFunctionEventInvokeConfig lambda:PublishLayerVersion
pricing:GetProducts s3:DeleteObjects s3:ListObjectVersions s3:PutBucketLogging sagemaker:InvokeEndpointAsync
service-quotas:GetServiceQuota sns:CreateTopic sns:Publish sns:Subscribe sts:AssumeRole
sts:AssumeRoleWithWebIdentity events:PutRule events:PutTargets ecr:DescribeImages ec2:DescribeVpcEndpoints
resourcegroupstaggingapi:GetResources apigateway:UpdateUsage apigateway:GetUsage apigateway:UpdateAccount
apigateway:CreateDomainName apigateway:CreateBasePathMapping apigateway:TagResource apigateway:UpdateRestApi
kms:CreateKey kms:GetPublicKey kms:Sign
"""
# Codes of a request that violates the model, as recorded (localstack/localstack, tests/aws/services), or as
# `shared` errors of the service's API reference.
CODES = {
    "ec2": {"InvalidParameterValue"},
    "ecr": {"InvalidParameterException"},
    "logs": {"InvalidParameterException"},
    "pricing": {"InvalidParameterException"},
    "route53": {"InvalidInput"},
    "s3": {"InvalidArgument", "MalformedXML"},
    "sagemaker-runtime": {"ValidationError"},
    "cloudwatch": {"ValidationError"},
    "iam": {"ValidationError"},
    "sns": {"ValidationError"},
    "sts": {"ValidationError"},
}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
STATISTICS = {
    "Namespace": "n",
    "MetricName": "m",
    "StartTime": 0,
    "EndTime": 1,
    "Period": 60,
    "Statistics": ["Sum"],
}
# One for all requests: starting one takes longer than a request.
LOOP = asyncio.new_event_loop()
TYPES = {"SerializationException", "MalformedInput"}


@cache
def used_operations() -> list[tuple[str, str]]:
    """The service and name of each operation."""
    recorded = (Path(__file__).parent / "iam" / "mapping" / "operations.txt").read_text()
    policies = "".join(path.read_text() for path in (ROOT / "policies" / "iam").glob("*.jinja"))
    names = {
        *re.findall(r"^([\w-]+):(\w+)", recorded, re.MULTILINE),
        *re.findall(r'"([\w-]+):(\w+)"', policies),
    }
    names |= {tuple(name.split(":")) for name in MORE.split()}
    operations = set()
    for prefix, name in names:
        for service in SERVICES.get(prefix, (prefix,)):
            if name in _models(service):
                operations.add((service, name))
    return sorted(operations)


@cache
def _models(service: str) -> frozenset[str]:
    try:
        return frozenset(client(service).meta.service_model.operation_names)
    except Exception as error:  # noqa: BLE001 a condition key's prefix is not a service
        assert "Unknown service" in str(error)
        return frozenset()


def broken_requests(model: OperationModel) -> Iterator[tuple[Constraint, Captured]]:
    if model.input_shape is not None:
        for constraint in constraints(model.input_shape, model.service_model.resolved_protocol):
            try:
                service, method = model.service_model.service_name, xform_name(model.name)
                yield constraint, capture(service, method, constraint.request)
            except FlexibleChecksumError:
                # botocore computes checksums by the algorithm's name.
                assert constraint.path == ("ChecksumAlgorithm",)


def send(captured: Captured) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of the response; status 299 if the request is valid."""
    scope, content = captured
    sent: list[dict[str, Any]] = []

    async def accept(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content}

    async def record(message: Any) -> None:
        sent.append(message)

    LOOP.run_until_complete(ValidationMiddleware(accept)(dict(scope), receive, record))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], sent[1]["body"] if len(sent) > 1 else b"", headers


def error_of(model: OperationModel, captured: Captured) -> tuple[int, str, str]:
    """Status, code and message of the response, as botocore reads them."""
    status, body, headers = send(captured)
    if captured[0]["method"] == "HEAD":
        return status, "", ""
    parser = create_parser(model.service_model.resolved_protocol)
    response = {"status_code": status, "body": body, "headers": headers}
    error = parser.parse(response, model.output_shape).get("Error", {})
    return status, error.get("Code", ""), error.get("Message", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "operation"), [pytest.param(*names, id=":".join(names)) for names in used_operations()]
)
def test_every_constraint_of_an_operation_is_enforced(service: str, operation: str) -> None:
    model = client(service).meta.service_model.operation_model(operation)
    codes = CODES.get(service, {"ValidationException"})
    for constraint, captured in broken_requests(model):
        status, code, message = error_of(model, captured)
        where = (constraint.path, constraint.kind)
        assert status == 400, (where, "accepted" if status == 299 else status)
        if captured[0]["method"] == "HEAD":
            continue
        if constraint.kind == "type":
            assert code in TYPES | codes, where
        else:
            assert code in codes, where
            assert constraint.in_message in message, where


@pytest.mark.parametrize(
    ("service", "method", "parameters"),
    [
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}),
        ("sagemaker-runtime", "invoke_endpoint_with_response_stream", {"EndpointName": "e", "Body": b"{}"}),
        ("s3", "put_object", {"Bucket": "bucket", "Key": "a/b", "Body": b"x"}),
        ("lambda", "invoke", {"FunctionName": "arn:aws:lambda:us-east-1:123456789012:function:f:1"}),
        ("lambda", "untag_resource", {"Resource": FUNCTION, "TagKeys": ["a"]}),
        ("lambda", "update_function_code", {"FunctionName": "f", "ZipFile": b"zip"}),
        ("apigateway", "put_rest_api", {"restApiId": "a", "mode": "overwrite", "body": b"{}"}),
        ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": []}),
        ("cloudwatch", "get_metric_statistics", STATISTICS),
        # botocore compresses it.
        ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": [{"MetricName": "m"}] * 1000}),
    ],
)
def test_valid_requests_pass(service: str, method: str, parameters: dict[str, Any]) -> None:
    assert send(capture(service, method, parameters))[0] == 299


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"Tags": ' + b"[" * 100_000, b"\x1f\x8b", b"\xff"])
@pytest.mark.parametrize("encoding", [[], [(b"content-encoding", b"gzip")]])
def test_bodies_that_cannot_be_read_are_refused(body: bytes, encoding: list[tuple[bytes, bytes]]) -> None:
    scope, _ = capture("sagemaker", "describe_model", {"ModelName": "m"})
    scope = {**scope, "headers": [*scope["headers"], *encoding]}
    status, content, _ = send((scope, body))
    assert status == 400
    assert b"SerializationException" in content
