"""Settings of REST APIs: creation, imports and patches, as the AWS provider makes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloudprocess import CloudProcess

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "execute-api:Invoke",
            "Resource": "execute-api:/*",
        }
    ],
}
DOCUMENT = {"openapi": "3.0.1", "info": {"title": "a", "version": "1"}, "paths": {}}
ENDPOINT = "/endpointConfiguration"


@pytest.fixture
def gateway(cloud: CloudProcess) -> Any:
    return cloud.client("apigateway")


def create(gateway: Any, endpoint_type: str = "REGIONAL", **settings: Any) -> str:
    configuration = {"types": [endpoint_type], **settings.pop("endpoint", {})}
    created = gateway.create_rest_api(name="a", endpointConfiguration=configuration, **settings)
    return str(created["id"])


def patch(gateway: Any, api: str, *operations: tuple[str, str, str | None]) -> dict[str, Any]:
    patches = [
        {"op": op, "path": path, **({} if value is None else {"value": value})}
        for op, path, value in operations
    ]
    return dict(gateway.update_rest_api(restApiId=api, patchOperations=patches))


def test_an_overwriting_import_resets_what_it_does_not_mention(gateway: Any) -> None:
    api = create(
        gateway,
        "PRIVATE",
        description="old",
        apiKeySource="AUTHORIZER",
        policy=json.dumps(POLICY),
        minimumCompressionSize=5,
        endpoint={"vpcEndpointIds": ["vpce-0a"]},
    )
    patch(gateway, api, ("add", "/binaryMediaTypes/image~1png", None))
    merged = gateway.put_rest_api(restApiId=api, mode="merge", body=json.dumps(DOCUMENT))
    assert (merged["description"], merged["apiKeySource"]) == ("old", "AUTHORIZER")
    assert (merged["binaryMediaTypes"], merged["minimumCompressionSize"]) == (["image/png"], 5)
    assert "policy" in merged and merged["endpointConfiguration"]["vpcEndpointIds"] == ["vpce-0a"]
    reset = gateway.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps(DOCUMENT))
    assert (reset["apiKeySource"], reset["binaryMediaTypes"]) == ("HEADER", [])
    assert not {"description", "policy", "minimumCompressionSize"} & reset.keys()
    assert reset["endpointConfiguration"] == {"types": ["PRIVATE"], "ipAddressType": "dualstack"}


def test_a_policy_names_its_api_and_an_empty_one_removes_it(gateway: Any) -> None:
    api = create(gateway)
    patched = patch(gateway, api, ("replace", "/policy", json.dumps(POLICY)))
    # A string within a string, as the provider expects it.
    (statement,) = json.loads(json.loads(f'"{patched["policy"]}"'))["Statement"]
    assert statement["Resource"] == f"arn:aws:execute-api:us-east-1:123456789012:{api}/*"
    with pytest.raises(ClientError, match="Invalid policy document"):
        patch(gateway, api, ("replace", "/policy", "{}"))
    assert "policy" not in patch(gateway, api, ("replace", "/policy", ""))


def test_a_private_api_is_dualstack_with_vpc_endpoints(gateway: Any) -> None:
    api = create(gateway)
    before = gateway.get_rest_api(restApiId=api)
    assert before["endpointConfiguration"] == {"types": ["REGIONAL"], "ipAddressType": "ipv4"}
    add = ("add", f"{ENDPOINT}/vpcEndpointIds", "vpce-0a")
    with pytest.raises(ClientError, match="VPCEndpoints can only be specified with PRIVATE apis"):
        patch(gateway, api, ("replace", "/name", "b"), add)
    # A refused update changes nothing.
    after = gateway.get_rest_api(restApiId=api)
    assert (after["name"], after["endpointConfiguration"]) == ("a", before["endpointConfiguration"])
    private = patch(gateway, api, ("replace", f"{ENDPOINT}/types/0", "PRIVATE"), add)
    assert private["endpointConfiguration"]["ipAddressType"] == "dualstack"
    with pytest.raises(ClientError, match="dualstack"):
        patch(gateway, api, ("replace", f"{ENDPOINT}/ipAddressType", "ipv4"))
    public = patch(gateway, api, ("replace", f"{ENDPOINT}/types/0", "REGIONAL"))
    assert public["endpointConfiguration"] == {"types": ["REGIONAL"], "ipAddressType": "dualstack"}
    with pytest.raises(ClientError, match="dualstack"):
        create(gateway, "PRIVATE", endpoint={"ipAddressType": "ipv4"})


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (("replace", "/colour", "red"), "Invalid patch path /colour"),
        (("add", "/name", "b"), "Invalid patch operation"),
        (("replace", "/apiKeySource", "COOKIE"), "Member must satisfy enum value set"),
        (("replace", "/minimumCompressionSize", "10485761"), "Invalid minimum compression size"),
        (("replace", f"{ENDPOINT}/colour", "red"), "Invalid patch path"),
    ],
)
def test_invalid_patches_are_refused(gateway: Any, operation: tuple[str, str, str], message: str) -> None:
    with pytest.raises(ClientError, match=message):
        patch(gateway, create(gateway), operation)


def test_patches_have_strings(gateway: Any) -> None:
    api = create(gateway)
    path = "/disableExecuteApiEndpoint"
    assert patch(gateway, api, ("replace", path, "true"))["disableExecuteApiEndpoint"] is True
    assert patch(gateway, api, ("replace", path, "false"))["disableExecuteApiEndpoint"] is False
    assert patch(gateway, api, ("replace", "/minimumCompressionSize", "5"))["minimumCompressionSize"] == 5
    assert "minimumCompressionSize" not in patch(gateway, api, ("replace", "/minimumCompressionSize", None))
