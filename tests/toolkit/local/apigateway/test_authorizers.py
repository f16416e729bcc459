"""TOKEN authorizers and API keys. Rejected requests invoke no function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
OK = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"])}
"""
# The token selects the result; the log counts invocations.
AUTHORIZER = """
def handler(event, context):
    token = event["authorizationToken"].removeprefix("Bearer ")
    if token == "boom":
        raise ValueError("inside")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if token == "malformed":
        return {"principalId": "x"}
    effect = "Deny" if token == "deny" else "Allow"
    resource = event["methodArn"] if token != "elsewhere" else "arn:aws:execute-api:us-east-1:1:other/*"
    return {
        "principalId": "somebody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}]},
        "context": {"team": "blue", "level": 3},
        "usageIdentifierKey": token,
    }
"""


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def runs(api: Any, arn: str) -> int:
    return sum(line.startswith("START") for line in api.cloud.log_lines(arn.rpartition(":")[2]))


@pytest.fixture
def guarded(api: Any, function: Any, operation: Any, security: Any) -> Any:
    """An API whose GET / has an authorizer."""
    api.function, api.authorizer = function(OK), function(AUTHORIZER)
    method = {**operation(api.function), "security": [{"bearer": []}]}
    api.put({"paths": {"/": {"get": method}}, **security(api.authorizer)})
    api.deploy()
    return api


def test_an_allowed_caller_has_the_authorizers_context(guarded: Any) -> None:
    context = guarded.get("/", headers=bearer("fine")).json()
    assert context["authorizer"] == {"principalId": "somebody", "team": "blue", "level": 3}


def test_a_result_is_cached_by_token(guarded: Any) -> None:
    for _ in range(3):
        assert guarded.get("/", headers=bearer("one")).status_code == 200
    assert runs(guarded, guarded.authorizer) == 1
    guarded.get("/", headers=bearer("two"))
    assert runs(guarded, guarded.authorizer) == 2


def test_a_missing_token_invokes_no_function(guarded: Any) -> None:
    response = guarded.get("/")
    assert (response.status_code, response.json()) == (401, {"message": "Unauthorized"})
    assert response.headers["x-amzn-errortype"] == "UnauthorizedException"
    assert (runs(guarded, guarded.authorizer), runs(guarded, guarded.function)) == (0, 0)


@pytest.mark.parametrize(
    ("token", "status", "message"),
    [
        ("unauthorized", 401, "Unauthorized"),
        ("deny", 403, "User is not authorized to access this resource with an explicit deny"),
        ("elsewhere", 403, "User is not authorized to access this resource"),
        ("boom", 500, None),
        ("malformed", 500, None),
    ],
)
def test_rejected_callers(guarded: Any, token: str, status: int, message: str | None) -> None:
    response = guarded.get("/", headers=bearer(token))
    assert (response.status_code, response.json()) == (status, {"message": message})
    assert runs(guarded, guarded.function) == 0


def test_a_ttl_of_zero_disables_the_cache(api: Any, function: Any, operation: Any, security: Any) -> None:
    authorizer = function(AUTHORIZER)
    method = {**operation(function(OK)), "security": [{"bearer": []}]}
    api.put({"paths": {"/": {"get": method}}, **security(authorizer, authorizerResultTtlInSeconds=0)})
    api.deploy()
    for _ in range(2):
        assert api.get("/", headers=bearer("x")).status_code == 200
    assert runs(api, authorizer) == 2


def test_a_malformed_token_invokes_no_function(
    api: Any, function: Any, operation: Any, security: Any
) -> None:
    authorizer = function(AUTHORIZER)
    method = {**operation(function(OK)), "security": [{"bearer": []}]}
    schemes = security(authorizer, identityValidationExpression="^[Bb]earer +[^ ]+$")
    api.put({"paths": {"/": {"get": method}}, **schemes})
    api.deploy()
    assert api.get("/", headers={"authorization": "Basic abc"}).status_code == 401
    assert runs(api, authorizer) == 0
    assert api.get("/", headers=bearer("x")).status_code == 200


def test_an_authorizer_without_permission_is_a_500(
    api: Any, function: Any, operation: Any, security: Any
) -> None:
    method = {**operation(function(OK)), "security": [{"bearer": []}]}
    api.put({"paths": {"/": {"get": method}}, **security(function(AUTHORIZER, permitted=False))})
    api.deploy()
    assert api.get("/", headers=bearer("x")).status_code == 500


@pytest.fixture
def keyed(api: Any, function: Any, operation: Any, security: Any) -> Any:
    """An API like the inference API, with our own authorizer."""
    authorizer = (ROOT / "lambda_src" / "authorizer" / "handler.py").read_text()
    api.function, api.authorizer = function(OK), function(authorizer)
    method = {**operation(api.function), "security": [{"bearer": [], "key": []}]}
    document = {"paths": {"/": {"get": method}}, "x-amazon-apigateway-api-key-source": "AUTHORIZER"}
    schemes = security(api.authorizer, type="request", authorizerResultTtlInSeconds=0)
    api.put({**document, **schemes})
    api.deploy()
    return api


def test_both_headers_carry_a_key(keyed: Any) -> None:
    key_id, value = keyed.key()
    for headers in (bearer(value), {"x-api-key": value}, {**bearer("unused"), "x-api-key": value}):
        response = keyed.get("/", headers=headers)
        assert (response.status_code, response.json()["identity"]["apiKeyId"]) == (200, key_id)
    # Without identity sources nothing is cached.
    assert runs(keyed, keyed.authorizer) == 3
    assert keyed.get("/").status_code == 401
    assert runs(keyed, keyed.authorizer) == 4


def test_the_authorizer_names_the_api_key(keyed: Any) -> None:
    key_id, value = keyed.key()
    response = keyed.get("/", headers=bearer(value))
    assert response.status_code == 200
    identity = response.json()["identity"]
    assert (identity["apiKeyId"], identity["apiKey"]) == (key_id, value)
    # No log contains the value.
    assert value not in keyed.cloud.log.read_text()
    for arn in (keyed.function, keyed.authorizer):
        assert not [line for line in keyed.cloud.log_lines(arn.rpartition(":")[2]) if value in line]


@pytest.mark.parametrize("problem", ["unknown", "disabled", "in no plan", "of another api", "deleted"])
def test_an_invalid_key_invokes_no_function(keyed: Any, problem: str) -> None:
    value = "a-key-that-nobody-made-0123456789"
    if problem == "disabled":
        _, value = keyed.key(enabled=False)
    elif problem == "in no plan":
        _, value = keyed.key(in_plan=False)
    elif problem == "of another api":
        keyed.stage = "other"
        deployment = keyed.deployments[-1]
        keyed.client.create_stage(restApiId=keyed.id, stageName="other", deploymentId=deployment)
        _, value = keyed.key()
        keyed.stage = "live"
    elif problem == "deleted":
        key_id, value = keyed.key()
        assert keyed.get("/", headers=bearer(value)).status_code == 200
        keyed.client.delete_api_key(apiKey=key_id)
    before = runs(keyed, keyed.function)
    response = keyed.get("/", headers=bearer(value))
    assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})
    assert response.headers["x-amzn-errortype"] == "ForbiddenException"
    assert runs(keyed, keyed.function) == before


def test_keys_in_the_header(api: Any, function: Any, operation: Any, security: Any) -> None:
    method = {**operation(function(OK)), "security": [{"key": []}]}
    api.put(
        {"paths": {"/": {"get": method}}, **security("arn:aws:lambda:us-east-1:123456789012:function:unused")}
    )
    api.deploy()
    _, value = api.key()
    assert api.get("/", headers={"x-api-key": value}).status_code == 200
    assert api.get("/", headers={"x-api-key": "wrong"}).status_code == 403
    assert api.get("/").status_code == 403
