"""The checks of requests as boto3 sends them; tables are in the other modules."""

from __future__ import annotations

import pytest

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping.operations import identify

A = "123456789012"
R = f"us-east-1:{A}"
ROLE = f"arn:aws:iam::{A}:role/exec"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/llm-dev-m/variant/main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
SCALING_ROLE = (
    f"arn:aws:iam::{A}:role/aws-service-role/sagemaker.application-autoscaling.amazonaws.com/"
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
)
OBJECT = {"Bucket": "b", "Key": "k/l m"}


def test_role_arns_include_the_path(needs, account):
    account.iam.create_role("deep", "{}", "/a/b/", None, "", [], "3600")

    (check,) = needs("iam", "delete_role", RoleName="deep")

    assert check.resource == f"arn:aws:iam::{A}:role/a/b/deep"


def test_pass_role_has_the_service_and_the_resource(needs):
    _, passing = needs("sagemaker", "create_model", ModelName="m", ExecutionRoleArn=ROLE)

    assert passing.keys == {
        "iam:PassedToService": ("sagemaker.amazonaws.com",),
        "iam:AssociatedResourceArn": (f"arn:aws:sagemaker:{R}:model/m",),
    }


def test_the_service_linked_role_is_created_once(needs, account):
    path, _, name = SCALING_ROLE.partition("role")[2].rpartition("/")
    account.iam.create_role(name, "{}", f"{path}/", None, "", [], "3600")

    needed = needs("application-autoscaling", "register_scalable_target", **TARGET)

    assert "iam:CreateServiceLinkedRole" not in [check.action.name for check in needed]


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        # Replication passes a role in a body that is not read.
        (
            "s3",
            "put_bucket_replication",
            {"Bucket": "b", "ReplicationConfiguration": {"Role": ROLE, "Rules": []}},
        ),
        ("secretsmanager", "list_secrets", {}),
        # A source identity is not supported.
        ("sts", "assume_role", {"RoleArn": ROLE, "RoleSessionName": "run", "SourceIdentity": "eve"}),
    ],
)
def test_unknown_operations_are_errors(needs, service, operation, parameters):
    with pytest.raises(UnmappedRequestError):
        needs(service, operation, **parameters)


def test_a_signature_for_another_service_is_an_error(capture, checks_of):
    scope, body = capture("s3", "list_buckets")
    target = (b"x-amz-target", b"SageMaker.ListEndpoints")

    with pytest.raises(UnmappedRequestError):
        checks_of(({**scope, "headers": [*scope["headers"], target]}, body))


def test_irrelevant_large_bodies_are_not_parsed(capture):
    for service, operation, parameters in [
        ("s3", "put_object", {**OBJECT, "Body": b"x"}),
        ("s3", "upload_part", {**OBJECT, "PartNumber": 1, "UploadId": "u", "Body": b"x"}),
        ("lambda", "invoke", {"FunctionName": "f", "Payload": b"x"}),
        ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}),
    ]:
        scope, _ = capture(service, operation, **parameters)
        assert not identify(scope).needs_body, operation
