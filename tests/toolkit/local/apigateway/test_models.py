"""Private APIs and stages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import CloudProcess
from tests.support.patience import wait_for


def test_vpc_endpoints_of_a_private_api_are_updated(cloud: CloudProcess) -> None:
    gateway = cloud.client("apigateway")
    configuration = {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-0a"]}
    api = gateway.create_rest_api(name="private", endpointConfiguration=configuration)["id"]
    path = "/endpointConfiguration/vpcEndpointIds"
    operations = [{"op": "add", "path": path, "value": "vpce-0b"}]
    operations += [{"op": "remove", "path": path, "value": "vpce-0a"}]
    gateway.update_rest_api(restApiId=api, patchOperations=operations)
    configuration = gateway.get_rest_api(restApiId=api)["endpointConfiguration"]
    assert configuration == {
        "types": ["PRIVATE"],
        "ipAddressType": "dualstack",
        "vpcEndpointIds": ["vpce-0b"],
    }


def test_a_private_api_without_a_policy_is_not_deployed(cloud: CloudProcess) -> None:
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="private", endpointConfiguration={"types": ["PRIVATE"]})["id"]
    with pytest.raises(ClientError, match="doesn't have a resource policy attached to it"):
        gateway.create_deployment(restApiId=api)


def test_stages_have_creation_and_update_dates(api: Any) -> None:
    get = {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock"}}
    api.put({"paths": {"/a": {"get": get}}})
    api.deploy()
    location = {"restApiId": api.id, "stageName": api.stage}
    stage = api.client.get_stage(**location)
    assert stage["lastUpdatedDate"] == stage["createdDate"]

    def changed() -> datetime:
        """The date of an update that happens now; AWS has whole seconds."""
        operation = {"op": "replace", "path": "/description", "value": "other"}
        updated_at: datetime = api.client.update_stage(**location, patchOperations=[operation])[
            "lastUpdatedDate"
        ]
        return updated_at

    wait_for(lambda: changed() > stage["lastUpdatedDate"], "a second to pass")
    now = api.client.get_stage(**location)
    assert now["lastUpdatedDate"] > now["createdDate"] == stage["createdDate"]
