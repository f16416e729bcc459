"""Functions have the permissions of their roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.access import enforce_iam
from tests.support.cloudprocess import CloudProcess
from tests.support.iam import allow, document, trust

PUT = """
import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    who = boto3.client("sts").get_caller_identity()["Arn"]
    try:
        boto3.client("s3").put_object(Bucket="desk", Key=event, Body=b"x")
    except ClientError as error:
        return [who, error.response["Error"]["Code"]]
    return [who, "done"]
"""


@pytest.fixture
def enforced(cloud: CloudProcess) -> Iterator[None]:
    enforce_iam(cloud, True)
    yield
    enforce_iam(cloud, False)


def role(cloud: CloudProcess, name: str, service: str, *statements: dict[str, Any]) -> str:
    iam = cloud.client("iam")
    trust_policy = document(trust({"Service": service}))
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust_policy)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=document(*statements))
    return arn


def test_a_function_has_the_permissions_of_its_role(cloud: CloudProcess, enforced: None) -> None:
    cloud.client("s3").create_bucket(Bucket="desk")
    arn = role(cloud, "writer", "lambda.amazonaws.com", allow("s3:PutObject", "arn:aws:s3:::desk/mine"))
    cloud.create_function("write", {"app.py": PUT}, Role=arn)

    def write(key: str) -> Any:
        response = cloud.functions.invoke(FunctionName="write", Payload=json.dumps(key))
        return json.load(response["Payload"])

    session = "arn:aws:sts::123456789012:assumed-role/writer/write"
    assert write("mine") == [session, "done"]
    assert write("yours") == [session, "AccessDenied"]


def test_an_untrusting_role_prevents_the_invocation(cloud: CloudProcess, enforced: None) -> None:
    arn = role(cloud, "stranger", "ec2.amazonaws.com", allow("*"))
    cloud.create_function("refused", {"app.py": PUT}, Role=arn)
    with pytest.raises(ClientError, match="cannot be assumed by Lambda") as caught:
        cloud.functions.invoke(FunctionName="refused", Payload=b'"mine"')
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
