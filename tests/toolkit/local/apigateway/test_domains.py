"""Custom domain names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.cloudprocess import CloudProcess
from tests.support.patience import HANG_SECONDS

CODE = """
import json
def handler(event, context):
    asked = event["requestContext"]
    return {"statusCode": 200, "body": json.dumps([event["path"], asked["path"], event["resource"]])}
"""
SIGNED = {
    "type": "apiKey",
    "name": "Authorization",
    "in": "header",
    "x-amazon-apigateway-authtype": "awsSigv4",
}
NAME = "llm.example.com"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/first"


def get(cloud: CloudProcess, path: str, host: str = NAME, **headers: str) -> httpx.Response:
    return httpx.get(cloud.endpoint_url + path, headers={"host": host, **headers}, timeout=HANG_SECONDS)


@pytest.fixture
def domain(api: Any, function: Any, operation: Any) -> Iterator[Any]:
    """An API with a custom domain, a public method and one with IAM authorization."""
    method = operation(function(CODE))
    paths = {"/v1/{x}": {"get": method}, "/signed": {"get": {**method, "security": [{"iam": []}]}}}
    api.put({"paths": paths, "components": {"securitySchemes": {"iam": SIGNED}}})
    api.deploy()
    api.client.create_domain_name(
        domainName=NAME,
        regionalCertificateArn=CERTIFICATE,
        securityPolicy="TLS_1_2",
        endpointConfiguration={"types": ["REGIONAL"]},
        tags={"team": "a"},
    )
    yield api
    api.client.delete_domain_name(domainName=NAME)


def mapped(api: Any, base_path: str = "") -> None:
    api.client.create_base_path_mapping(
        domainName=NAME, restApiId=api.id, stage="live", basePath=base_path or "(none)"
    )


def test_a_custom_domain_reaches_the_api(cloud: CloudProcess, domain: Any) -> None:
    mapped(domain)
    assert get(cloud, "/v1/a%2Fb?x=1").json() == ["/v1/a%2Fb", "/v1/a%2Fb", "/v1/{x}"]
    assert get(cloud, "/v1/a", f"{NAME}:8080").json() == ["/v1/a", "/v1/a", "/v1/{x}"]
    # The API's own address still works.
    assert domain.get("/v1/a").json() == ["/v1/a", "/live/v1/a", "/v1/{x}"]


def test_the_function_sees_the_base_path(cloud: CloudProcess, domain: Any) -> None:
    mapped(domain, "prod")
    assert get(cloud, "/prod/v1/a").json() == ["/prod/v1/a", "/prod/v1/a", "/v1/{x}"]
    for path in ("/v1/a", "/production/v1/a", "/"):
        response = get(cloud, path)
        assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})


def test_signatures_for_the_domain_are_valid(cloud: CloudProcess, domain: Any) -> None:
    mapped(domain, "prod")
    request = AWSRequest("GET", f"http://{NAME}/prod/signed?a=1", {"host": NAME})
    SigV4Auth(Credentials(*cloud.root_key), "execute-api", "us-east-1").add_auth(request)
    assert get(cloud, "/prod/signed?a=1", **dict(request.headers.items())).json()[0] == "/prod/signed"
    assert get(cloud, "/prod/signed?a=2", **dict(request.headers.items())).status_code == 403


def test_web_pages_reach_only_the_domains_api(cloud: CloudProcess, domain: Any) -> None:
    mapped(domain)
    assert get(cloud, "/v1/a", origin="https://chat.example.com").status_code == 200
    for path in ("/_toolkit/status", "/_toolkit/iam", "/restapis"):
        assert get(cloud, path).json() == {"message": "Missing Authentication Token"}
    foreign = get(cloud, "/v1/a", "other.example.com")
    assert (foreign.status_code, foreign.text) == (
        403,
        "the embedded cloud refuses requests from web pages\n",
    )


def test_a_domains_certificate_and_tags_are_updated(domain: Any) -> None:
    second = CERTIFICATE.replace("first", "second")
    operation = {"op": "replace", "path": "/regionalCertificateArn", "value": second}
    changed = domain.client.update_domain_name(domainName=NAME, patchOperations=[operation])
    assert changed["domainNameStatus"] == "AVAILABLE"
    arn = f"arn:aws:apigateway:us-east-1::/domainnames/{NAME}"
    domain.client.tag_resource(resourceArn=arn, tags={"team": "b"})
    updated = domain.client.get_domain_name(domainName=NAME)
    assert (updated["regionalCertificateArn"], updated["securityPolicy"]) == (second, "TLS_1_2")
    assert updated["tags"] == {"team": "b"}


@pytest.mark.parametrize(
    ("name", "path", "code"),
    [
        ("missing.example.com", "/regionalCertificateArn", "NotFoundException"),
        (NAME, "/domainName", "BadRequestException"),
    ],
)
def test_unsupported_updates_are_rejected(domain: Any, name: str, path: str, code: str) -> None:
    operation = {"op": "replace", "path": path, "value": "x"}
    with pytest.raises(ClientError) as caught:
        domain.client.update_domain_name(domainName=name, patchOperations=[operation])
    assert caught.value.response["Error"]["Code"] == code


def test_the_first_domain_creates_the_service_linked_role(cloud: CloudProcess, domain: Any) -> None:
    role = cloud.client("iam").get_role(RoleName="AWSServiceRoleForAPIGateway")["Role"]
    assert role["Path"] == "/aws-service-role/ops.apigateway.amazonaws.com/"


def test_domains_are_unique_and_deleted_with_their_mappings(cloud: CloudProcess, domain: Any) -> None:
    mapped(domain)
    with pytest.raises(ClientError, match="The domain name you provided already exists"):
        domain.client.create_domain_name(domainName=NAME, regionalCertificateArn=CERTIFICATE)
    assert get(cloud, "/v1/a").status_code == 200
    domain.client.delete_domain_name(domainName=NAME)
    assert get(cloud, "/v1/a").text == "the embedded cloud refuses requests from web pages\n"
    domain.client.create_domain_name(domainName=NAME, regionalCertificateArn=CERTIFICATE)
    assert domain.client.get_base_path_mappings(domainName=NAME)["items"] == []
