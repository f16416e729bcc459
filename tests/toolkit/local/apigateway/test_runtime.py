"""Routes, deployments and limits of a REST API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.patience import HANG_SECONDS

OK = "def handler(event, context): return {'statusCode': 200, 'body': context.function_name}"


def test_a_deployment_is_a_snapshot(api: Any, function: Any, operation: Any) -> None:
    arn = function(OK)
    api.put({"paths": {"/old": {"get": operation(arn)}}})
    api.deploy()
    api.put({"paths": {"/new": {"get": operation(arn)}}})
    assert (api.get("/old").status_code, api.get("/new").status_code) == (200, 403)
    api.deploy()
    assert (api.get("/old").status_code, api.get("/new").status_code) == (403, 200)


def test_merging_keeps_the_previous_document(api: Any, function: Any, operation: Any) -> None:
    arn = function(OK)
    api.put({"paths": {"/old": {"get": operation(arn)}}})
    api.put({"paths": {"/new": {"get": operation(arn)}}}, mode="merge")
    api.deploy()
    assert (api.get("/old").status_code, api.get("/new").status_code) == (200, 200)


def test_requests_without_a_method_are_rejected(api: Any, function: Any, operation: Any) -> None:
    api.put({"paths": {"/a": {"get": operation(function(OK))}}})
    api.deploy()
    for response in (api.get("/b"), api.post("/a"), api.get("/a/")):
        assert (response.status_code, response.json()) == (403, {"message": "Missing Authentication Token"})
        assert response.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("place", ["nothing/live", "{api}/other"])
def test_unknown_apis_and_stages(api: Any, function: Any, operation: Any, place: str) -> None:
    api.put({"paths": {"/": {"get": operation(function(OK))}}})
    api.deploy()
    url = f"{api.cloud.endpoint_url}/_aws/execute-api/{place.format(api=api.id)}/"
    response = httpx.get(url, timeout=HANG_SECONDS)
    assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})


def test_bodies_that_are_too_large_are_rejected(api: Any, function: Any, operation: Any) -> None:
    template = {"application/json": '{"large": true}'}
    api.put(
        {
            "paths": {"/": {"post": operation(function(OK))}},
            "x-amazon-apigateway-gateway-responses": {"REQUEST_TOO_LARGE": {"responseTemplates": template}},
        }
    )
    api.deploy()
    assert api.post("/", content=b"x" * 1_000_000).status_code == 200
    # Lambda's limit is lower than API Gateway's, and counts the event, in which quotes are escaped.
    for body in (b"x" * 7 * 2**20, b'"' * 4 * 2**20):
        response = api.post("/", content=body)
        assert (response.status_code, response.json()) == (413, {"large": True})
    # API Gateway's own response cannot be customized.
    response = api.post("/", content=b"x" * (10 * 2**20 + 1))
    assert response.status_code == 413
    assert response.text == "HTTP content length exceeded 10485760 bytes."


TEMPLATE = """{"error": {"message": $context.error.messageString, "type": "$context.error.responseType",
"id": "$context.requestId", "where": "${context.stage} $context.httpMethod.", "none": "$context.unknown"}}"""


def test_gateway_responses_are_customized(api: Any, function: Any, operation: Any) -> None:
    responses = {
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": "404",
            "responseTemplates": {"application/json": TEMPLATE},
            "responseParameters": {
                "gatewayresponse.header.Retry-After": "'7'",
                "gatewayresponse.header.X-Asked": "method.request.header.x-ask",
                "gatewayresponse.header.X-Api": "context.apiId",
                "gatewayresponse.header.X-None": "method.request.header.missing",
            },
        },
        "DEFAULT_5XX": {"responseTemplates": {"application/json": '{"sorry": $context.error.messageString}'}},
    }
    broken = function("def handler(e, c): return 1")
    paths = {"/": {"get": operation(broken)}}
    api.put({"paths": paths, "x-amazon-apigateway-gateway-responses": responses})
    api.deploy()
    missing = api.get("/missing", headers={"x-ask": "me"})
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/json"
    assert missing.json()["error"] == {
        "message": "Missing Authentication Token",
        "type": "MISSING_AUTHENTICATION_TOKEN",
        "id": missing.headers["x-amzn-requestid"],
        "where": "live GET.",
        "none": "",
    }
    assert [missing.headers.get(name) for name in ("retry-after", "x-asked", "x-api", "x-none")] == [
        "7",
        "me",
        api.id,
        None,
    ]
    failed = api.get("/")
    assert (failed.status_code, failed.json()) == (502, {"sorry": "Internal server error"})


def test_the_control_plane_describes_the_api(api: Any, function: Any, operation: Any) -> None:
    document = {"paths": {"/": {"get": operation(function(OK)), "parameters": []}}}
    api.put({**document, "x-amazon-apigateway-api-key-source": "AUTHORIZER"})
    api.deploy()
    api_description = api.client.get_rest_api(restApiId=api.id)
    assert api_description["apiKeySource"] == "AUTHORIZER"
    assert api_description["rootResourceId"] in [
        item["id"] for item in api.client.get_resources(restApiId=api.id)["items"]
    ]
    (status,) = [item for item in api.cloud.status()["apis"] if item["id"] == api.id]
    assert status["stages"] == ["live"]
    api.client.delete_rest_api(restApiId=api.id)
    assert not [item for item in api.cloud.status()["apis"] if item["id"] == api.id]
    assert api.get("/").status_code == 403
