"""REQUEST authorizers and the cache of their results."""

from __future__ import annotations

from typing import Any

import pytest

OK = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event["requestContext"]["authorizer"])}
"""
# Allows the requested method only, and returns its event.
AUTHORIZER = """
import json
def handler(event, context):
    return {
        "principalId": event["headers"].get("x-api-key", "nobody"),
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": event["methodArn"]}]},
        "context": {"event": json.dumps(event)},
    }
"""


def runs(api: Any, arn: str) -> int:
    return sum(line.startswith("START") for line in api.cloud.log_lines(arn.rpartition(":")[2]))


@pytest.fixture
def make(api: Any, function: Any, operation: Any, security: Any) -> Any:
    """An API with a REQUEST authorizer with these settings."""

    def create(**settings: Any) -> Any:
        api.authorizer = function(AUTHORIZER)
        method = {**operation(function(OK)), "security": [{"bearer": []}]}
        paths = {"/a/{x}": {"get": method, "post": method}}
        api.put({"paths": paths, **security(api.authorizer, type="request", **settings)})
        api.deploy()
        return api

    return create


HEADERS = "method.request.header.x-api-key, method.request.querystring.team"


def test_its_event_is_the_request_without_its_body(make: Any) -> None:
    import json

    api = make(identitySource=HEADERS)
    response = api.post("/a/1?team=blue&more=2", headers={"x-api-key": "k"}, content=b"secret")
    event = json.loads(response.json()["event"])
    assert response.json()["principalId"] == "k"
    assert (event["type"], event["httpMethod"], event["resource"]) == ("REQUEST", "POST", "/a/{x}")
    assert event["methodArn"].endswith(f":{api.id}/live/POST/a/1")
    assert (event["path"], event["pathParameters"]) == ("/a/1", {"x": "1"})
    assert event["queryStringParameters"] == {"team": "blue", "more": "2"}
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert "body" not in event


def test_a_result_is_cached_by_identity_sources(make: Any) -> None:
    api = make(identitySource=HEADERS)

    def status(team: str, key: str = "k") -> int:
        return int(api.get(f"/a/1?team={team}&any={runs}", headers={"x-api-key": key}).status_code)

    assert [status("blue"), status("blue")] == [200, 200]
    assert runs(api, api.authorizer) == 1
    assert [status("red"), status("red", "other")] == [200, 200]
    assert runs(api, api.authorizer) == 3


def test_a_doubled_header_does_not_choose_a_cached_result(make: Any) -> None:
    api = make(identitySource="method.request.header.x-api-key")

    def principal(*keys: str) -> str:
        return str(api.get("/a/1", headers=[("x-api-key", key) for key in keys]).json()["principalId"])

    assert principal("mine") == "mine"
    # The result for "theirs" must not be stored for "mine", or read from there.
    assert principal("mine", "theirs") == "theirs"
    assert principal("other", "mine") == "mine"
    assert principal("other") == "other"


def test_a_cached_result_applies_to_other_methods(make: Any) -> None:
    api = make(identitySource="method.request.header.x-api-key")
    assert api.get("/a/1", headers={"x-api-key": "k"}).status_code == 200
    # Its policy names the first request's method only.
    assert api.post("/a/1", headers={"x-api-key": "k"}).status_code == 403
    assert runs(api, api.authorizer) == 1


def test_a_missing_identity_source_invokes_no_function(make: Any) -> None:
    api = make(identitySource=HEADERS)
    assert api.get("/a/1?team=blue").status_code == 401
    assert api.get("/a/1?team=", headers={"x-api-key": "k"}).status_code == 401
    assert runs(api, api.authorizer) == 0


def test_without_identity_sources_nothing_is_cached(make: Any) -> None:
    api = make(authorizerResultTtlInSeconds=0)
    for _ in range(2):
        assert api.get("/a/1").json()["principalId"] == "nobody"
    assert runs(api, api.authorizer) == 2


def test_a_flush_or_a_deployment_clears_the_cache(make: Any) -> None:
    api = make(identitySource="method.request.header.x-api-key")

    def count_runs() -> int:
        assert api.get("/a/1", headers={"x-api-key": "k"}).status_code == 200
        return runs(api, api.authorizer)

    assert [count_runs(), count_runs()] == [1, 1]
    api.client.flush_stage_authorizers_cache(restApiId=api.id, stageName=api.stage)
    assert [count_runs(), count_runs()] == [2, 2]
    api.deploy()
    assert count_runs() == 3
