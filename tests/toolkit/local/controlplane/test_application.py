from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Aws

pytestmark = pytest.mark.slow


def test_every_region_and_service_is_at_one_address(aws: Aws) -> None:
    identity = aws("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    aws("iam").create_role(RoleName="one", AssumeRolePolicyDocument="{}")
    assert aws("iam", region="eu-west-1").get_role(RoleName="one")["Role"]["RoleName"] == "one"
    aws("logs", region="eu-west-1").create_log_group(logGroupName="/there")
    assert aws("logs").describe_log_groups(logGroupNamePrefix="/there")["logGroups"] == []


@pytest.mark.parametrize(
    ("service", "operation", "members"),
    [
        ("logs", "describe_configuration_templates", {}),
        ("iam", "get_organizations_access_report", {"JobId": "0" * 36}),
    ],
)
def test_what_there_is_not_is_told_at_once(
    aws: Aws, service: str, operation: str, members: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(aws(service), operation)(**members)
    # Terraform's provider would try a 500 again for minutes.
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "does not support" in error.value.response["Error"]["Message"]


def test_many_requests_at_once_are_answered(aws: Aws) -> None:
    s3 = aws("s3", max_pool_connections=32)
    s3.create_bucket(Bucket="busy")

    def put_and_get(number: int) -> bytes:
        s3.put_object(Bucket="busy", Key=str(number), Body=str(number).encode())
        body: bytes = s3.get_object(Bucket="busy", Key=str(number))["Body"].read()
        return body

    with ThreadPoolExecutor(32) as pool:
        bodies = list(pool.map(put_and_get, range(100)))
    assert bodies == [str(number).encode() for number in range(100)]
