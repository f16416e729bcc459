from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Aws

pytestmark = pytest.mark.slow
VIEW = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"}


def test_one_endpoint_serves_all_regions_and_services(aws: Aws) -> None:
    identity = aws("sts").get_caller_identity()
    assert (identity["Account"], identity["UserId"]) == ("123456789012", "123456789012")
    assert identity["Arn"] == "arn:aws:iam::123456789012:root"
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
def test_unsupported_operations_fail_at_once(
    aws: Aws, service: str, operation: str, members: dict[str, Any]
) -> None:
    with pytest.raises(ClientError) as error:
        getattr(aws(service), operation)(**members)
    # Terraform's provider would retry a 500 for minutes.
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error.value.response["Error"]["Code"] == "UnknownOperationException"
    assert "does not support" in error.value.response["Error"]["Message"]


def test_many_concurrent_requests_succeed(aws: Aws) -> None:
    s3 = aws("s3", max_pool_connections=32)
    s3.create_bucket(Bucket="busy")

    def put_and_get(number: int) -> bytes:
        s3.put_object(Bucket="busy", Key=str(number), Body=str(number).encode())
        body: bytes = s3.get_object(Bucket="busy", Key=str(number))["Body"].read()
        return body

    with ThreadPoolExecutor(32) as pool:
        bodies = list(pool.map(put_and_get, range(100)))
    assert bodies == [str(number).encode() for number in range(100)]


def stage(gateway: Any) -> str:
    """Create an API with a stage; returns the ARN of the stage."""
    api = gateway.create_rest_api(name="behind")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api, stageName="live")
    return f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/live"


@pytest.mark.parametrize("end", ["disassociated", "its API is gone"])
def test_an_associated_web_acl_cannot_be_deleted(aws: Aws, end: str) -> None:
    waf, gateway = aws("wafv2"), aws("apigateway")
    acl = {"Name": "stays", "Scope": "REGIONAL"}
    created = waf.create_web_acl(**acl, DefaultAction={"Allow": {}}, VisibilityConfig=VIEW)["Summary"]
    protected = stage(gateway)
    waf.associate_web_acl(WebACLArn=created["ARN"], ResourceArn=protected)
    parameters = {**acl, "Id": created["Id"], "LockToken": created["LockToken"]}
    with pytest.raises(ClientError, match="WAFAssociatedItemException"):
        waf.delete_web_acl(**parameters)

    if end == "disassociated":
        waf.disassociate_web_acl(ResourceArn=protected)
    else:
        gateway.delete_rest_api(restApiId=protected.split("/")[2])
    waf.delete_web_acl(**parameters)
    assert waf.list_web_acls(Scope="REGIONAL")["WebACLs"] == []


def test_hosted_zone_ids_look_like_those_of_aws(aws: Aws) -> None:
    route53 = aws("route53")
    created = [
        route53.create_hosted_zone(Name="example.com", CallerReference=str(number))["HostedZone"]["Id"]
        for number in range(12)
    ]
    assert all(re.fullmatch(r"/hostedzone/Z[A-Z0-9]{21}", name) for name in created)
    assert len(set(created)) == 12
