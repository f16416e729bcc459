from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Aws

pytestmark = pytest.mark.slow
VIEW = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"}


def stage(gateway: Any) -> str:
    """A stage of an API of its own; returns its ARN."""
    api = gateway.create_rest_api(name="behind")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api, stageName="live")
    return f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/live"


@pytest.mark.parametrize("end", ["disassociated", "its API is gone"])
def test_a_web_acl_stays_as_long_as_it_protects_a_stage(aws: Aws, end: str) -> None:
    waf, gateway = aws("wafv2"), aws("apigateway")
    acl = {"Name": "stays", "Scope": "REGIONAL"}
    made = waf.create_web_acl(**acl, DefaultAction={"Allow": {}}, VisibilityConfig=VIEW)["Summary"]
    protected = stage(gateway)
    waf.associate_web_acl(WebACLArn=made["ARN"], ResourceArn=protected)
    given = {**acl, "Id": made["Id"], "LockToken": made["LockToken"]}
    with pytest.raises(ClientError, match="WAFAssociatedItemException"):
        waf.delete_web_acl(**given)

    if end == "disassociated":
        waf.disassociate_web_acl(ResourceArn=protected)
    else:
        gateway.delete_rest_api(restApiId=protected.split("/")[2])
    waf.delete_web_acl(**given)
    assert waf.list_web_acls(Scope="REGIONAL")["WebACLs"] == []
