"""Tags of resources."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import CloudProcess

ARN = "arn:aws:apigateway:us-east-1::"


def test_tags_are_added_updated_and_removed(cloud: CloudProcess) -> None:
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="tagged", tags={"team": "a", "kept": "yes"})["id"]
    plan = gateway.create_usage_plan(name="tagged")["id"]
    key = gateway.create_api_key(name="tagged")["id"]
    for path in (f"/restapis/{api}", f"/usageplans/{plan}", f"/apikeys/{key}"):
        gateway.tag_resource(resourceArn=ARN + path, tags={"team": "b", "new": "x y"})
        gateway.untag_resource(resourceArn=ARN + path, tagKeys=["new"])
        assert gateway.get_tags(resourceArn=ARN + path)["tags"]["team"] == "b"
    assert gateway.get_rest_api(restApiId=api)["tags"] == {"team": "b", "kept": "yes"}
    assert gateway.get_usage_plan(usagePlanId=plan)["tags"] == {"team": "b"}


def test_tags_of_a_missing_resource_are_an_error(cloud: CloudProcess) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("apigateway").get_tags(resourceArn=f"{ARN}/restapis/missing")
    assert caught.value.response["Error"]["Code"] == "NotFoundException"
