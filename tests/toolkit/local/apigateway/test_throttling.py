"""Limits of usage plans and stages. Rejected requests invoke no function."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.support.clock import stay_in_one_day
from toolkit.local.apigateway.usage_plans import period_start

OK = """
def handler(event, context):
    return {"statusCode": 200, "body": "ok"}
"""
# One request a week: no refill during a test.
SELDOM = 1 / 604800


@pytest.fixture
def keyed(api: Any, function: Any, operation: Any, security: Any) -> Any:
    """An API whose methods require a key in the header."""
    method = {**operation(function(OK)), "security": [{"key": []}]}
    unused = "arn:aws:lambda:us-east-1:123456789012:function:unused"
    api.put({"paths": {"/a": {"get": method}, "/b/{x}": {"get": method}}, **security(unused)})
    api.deploy()
    return api


def a_key(api: Any, **plan: Any) -> tuple[str, str, str]:
    """A key in a new usage plan: ids of both, value."""
    stages = [{"apiId": api.id, "stage": api.stage, **plan.pop("stage", {})}]
    plan_id = api.client.create_usage_plan(name="p", apiStages=stages, **plan)["id"]
    key = api.client.create_api_key(name="k", enabled=True)
    api.client.create_usage_plan_key(usagePlanId=plan_id, keyId=key["id"], keyType="API_KEY")
    return plan_id, key["id"], api.client.get_api_key(apiKey=key["id"], includeValue=True)["value"]


def statuses(api: Any, path: str, value: str, count: int) -> list[int]:
    return [api.get(path, headers={"x-api-key": value}).status_code for _ in range(count)]


def test_each_key_has_its_own_burst(keyed: Any) -> None:
    throttle = {"rateLimit": SELDOM, "burstLimit": 2}
    _, _, key = a_key(keyed, throttle=throttle)
    _, _, yours = a_key(keyed, throttle=throttle)
    assert statuses(keyed, "/a", key, 3) == [200, 200, 429]
    refused = keyed.get("/a", headers={"x-api-key": key})
    assert refused.json() == {"message": "Too Many Requests"}
    assert refused.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert statuses(keyed, "/a", yours, 1) == [200]


def test_a_deleted_key_leaves_its_usage_plans(keyed: Any) -> None:
    plan, key, _ = a_key(keyed)
    assert [item["id"] for item in keyed.client.get_usage_plan_keys(usagePlanId=plan)["items"]] == [key]
    keyed.client.delete_api_key(apiKey=key)
    assert keyed.client.get_usage_plan_keys(usagePlanId=plan)["items"] == []


def test_a_method_can_have_its_own_throttle(keyed: Any) -> None:
    stage = {"throttle": {"/b/{x}/GET": {"rateLimit": SELDOM, "burstLimit": 1}}}
    plan, _, value = a_key(keyed, throttle={"rateLimit": SELDOM, "burstLimit": 3}, stage=stage)
    assert statuses(keyed, "/b/1", value, 2) == [200, 429]
    assert statuses(keyed, "/a", value, 4) == [200, 200, 200, 429]
    path = f"/apiStages/{keyed.id}:{keyed.stage}/throttle//b~1{{x}}/GET"
    changes = [("rateLimit", str(SELDOM)), ("burstLimit", "2")]
    keyed.client.update_usage_plan(
        usagePlanId=plan,
        patchOperations=[{"op": "replace", "path": f"{path}/{name}", "value": v} for name, v in changes],
    )
    assert statuses(keyed, "/b/1", value, 3) == [200, 200, 429]


def test_a_stages_throttle_covers_all_clients(keyed: Any) -> None:
    limits = [("rateLimit", str(SELDOM)), ("burstLimit", "2")]
    keyed.client.update_stage(
        restApiId=keyed.id,
        stageName=keyed.stage,
        patchOperations=[
            {"op": "replace", "path": f"/*/*/throttling/{name}", "value": value} for name, value in limits
        ],
    )
    (_, _, key), (_, _, other_key) = a_key(keyed), a_key(keyed)
    assert statuses(keyed, "/a", key, 1) + statuses(keyed, "/a", other_key, 2) == [200, 200, 429]


def test_a_quota_is_exhausted_and_extended(keyed: Any) -> None:
    stay_in_one_day()
    plan, key, value = a_key(keyed, quota={"limit": 3, "offset": 1, "period": "MONTH"})
    assert statuses(keyed, "/a", value, 3) == [200, 200, 429]
    refused = keyed.get("/a", headers={"x-api-key": value})
    assert refused.json() == {"message": "Limit Exceeded"}
    assert refused.headers["x-amzn-errortype"] == "LimitExceededException"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    usage = keyed.client.get_usage(usagePlanId=plan, startDate=today, endDate=today)
    assert usage["items"] == {key: [[2, 0]]}
    more = [{"op": "replace", "path": "/remaining", "value": "1"}]
    updated = keyed.client.update_usage(usagePlanId=plan, keyId=key, patchOperations=more)
    assert updated["items"] == {key: [[2, 1]]}
    assert statuses(keyed, "/a", value, 2) == [200, 429]


def test_usage_plans_take_terraforms_patches(keyed: Any) -> None:
    stay_in_one_day()
    plan, _, value = a_key(keyed, quota={"limit": 1, "period": "DAY"})
    assert statuses(keyed, "/a", value, 2) == [200, 429]
    changes = [
        ("replace", "/quota/limit", "2"),
        ("replace", "/throttle/rateLimit", "0.5"),
        ("replace", "/throttle/burstLimit", "7"),
    ]
    updated = keyed.client.update_usage_plan(
        usagePlanId=plan, patchOperations=[{"op": op, "path": path, "value": v} for op, path, v in changes]
    )
    assert updated["quota"] == {"limit": 2, "period": "DAY"}
    assert updated["throttle"] == {"rateLimit": 0.5, "burstLimit": 7}
    assert statuses(keyed, "/a", value, 2) == [200, 429]
    removed = [{"op": "remove", "path": "/quota"}]
    assert "quota" not in keyed.client.update_usage_plan(usagePlanId=plan, patchOperations=removed)
    assert statuses(keyed, "/a", value, 2) == [200, 200]


def test_limits_use_customized_gateway_responses(
    api: Any, function: Any, operation: Any, security: Any
) -> None:
    method = {**operation(function(OK)), "security": [{"key": []}]}
    template = {"application/json": '{"error": {"message": "slow down"}}'}
    parameters = {"gatewayresponse.header.Retry-After": "'1'"}
    responses = {"THROTTLED": {"responseTemplates": template, "responseParameters": parameters}}
    document = {"paths": {"/": {"get": method}}, "x-amazon-apigateway-gateway-responses": responses}
    api.put({**document, **security("arn:aws:lambda:us-east-1:123456789012:function:unused")})
    api.deploy()
    _, _, value = a_key(api, throttle={"rateLimit": SELDOM, "burstLimit": 1})
    assert statuses(api, "/", value, 1) == [200]
    refused = api.get("/", headers={"x-api-key": value})
    assert (refused.status_code, refused.json()) == (429, {"error": {"message": "slow down"}})
    assert refused.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("period", "day", "start"),
    [
        ("DAY", "2026-03-04", "2026-03-04"),
        ("WEEK", "2026-03-04", "2026-03-01"),
        ("WEEK", "2026-03-01", "2026-03-01"),
        ("WEEK", "2026-02-28", "2026-02-22"),
        ("MONTH", "2026-03-04", "2026-03-01"),
    ],
)
def test_first_days_of_quota_periods(period: str, day: str, start: str) -> None:
    assert period_start(period, datetime.date.fromisoformat(day)).isoformat() == start
