"""Private APIs in the control plane."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import CloudProcess


def test_a_private_apis_vpc_endpoints_change(cloud: CloudProcess) -> None:
    gateway = cloud.client("apigateway")
    made = {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-0a"]}
    api = gateway.create_rest_api(name="private", endpointConfiguration=made)["id"]
    path = "/endpointConfiguration/vpcEndpointIds"
    operations = [{"op": "add", "path": path, "value": "vpce-0b"}]
    operations += [{"op": "remove", "path": path, "value": "vpce-0a"}]
    gateway.update_rest_api(restApiId=api, patchOperations=operations)
    found = gateway.get_rest_api(restApiId=api)["endpointConfiguration"]
    assert found == {"types": ["PRIVATE"], "vpcEndpointIds": ["vpce-0b"]}


def test_a_private_api_without_a_policy_is_not_deployed(cloud: CloudProcess) -> None:
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="private", endpointConfiguration={"types": ["PRIVATE"]})["id"]
    with pytest.raises(ClientError, match="doesn't have a resource policy attached to it"):
        gateway.create_deployment(restApiId=api)
