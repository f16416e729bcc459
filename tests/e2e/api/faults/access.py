"""Faults of the authorizer, the key and its usage plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.api.faults.api import unchanged
from tests.e2e.api.faults.deployment import Deployment, Planted, fault, rewrites, variables
from toolkit.smoke import Layer, Options
from toolkit.smoke.access import Access

_ACCEPTED = ("keys", "key accepted")
ACCESS: dict[str, Planted] = {
    "authorizer_denies_all": Planted(
        variables("authorizer", KEY_HEADERS="x-other"), *_ACCEPTED, "denies every request"
    ),
    "api_is_open": Planted(
        rewrites(unchanged, with_key=True, options=Options(models=["echo"], only=[Layer.KEYS])),
        "keys",
        "request without key refused",
        "anybody may call",
    ),
}


@fault(ACCESS, *_ACCEPTED, "authorizer function fails")
def authorizer_throws(deployment: Deployment) -> Iterator[None]:
    functions, name = deployment.client("lambda"), deployment.outputs.functions["authorizer"]
    before = functions.get_function_configuration(FunctionName=name)["Handler"]
    for handler in ("authorizer.handler.missing", before):
        functions.update_function_configuration(FunctionName=name, Handler=handler)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
        if handler != before:
            yield


def default_key(deployment: Deployment) -> tuple[Any, str, str]:
    """API Gateway's client, the id of the key `default` and that of its usage plan."""
    gateway, plan = deployment.client("apigateway"), deployment.outputs.usage_plan_ids["default"]
    keys = gateway.get_usage_plan_keys(usagePlanId=plan)["items"]
    (key,) = [key["id"] for key in keys if key["name"] == "llm-clients/default"]
    return gateway, key, plan


@fault(ACCESS, *_ACCEPTED, "disabled outside of the toolkit")
def key_disabled(deployment: Deployment) -> Iterator[None]:
    gateway, key, _ = default_key(deployment)
    for value in ("false", "true"):
        operation = {"op": "replace", "path": "/enabled", "value": value}
        gateway.update_api_key(apiKey=key, patchOperations=[operation])
        if value == "false":
            yield


@fault(ACCESS, *_ACCEPTED, "removed from its usage plan")
def key_without_usage_plan(deployment: Deployment) -> Iterator[None]:
    gateway, key, plan = default_key(deployment)
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key)
    yield
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")


@fault(ACCESS, *_ACCEPTED, "quota of the key is used up")
def quota_used_up(deployment: Deployment) -> Iterator[None]:
    gateway, _, plan = default_key(deployment)
    quota = {"/quota/limit": "1", "/quota/period": "MONTH"}
    operations = [{"op": "replace", "path": path, "value": value} for path, value in quota.items()]
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=operations)
    Access(deployment.context, deployment.outputs, 10).response()
    yield
    gateway.update_usage_plan(usagePlanId=plan, patchOperations=[{"op": "remove", "path": "/quota"}])


@fault(ACCESS, "keys", "usage plan", "changed outside of the toolkit")
def usage_plan_changed(deployment: Deployment) -> Iterator[None]:
    gateway, _, plan = default_key(deployment)
    for value in ("4999", "5000"):
        operation = {"op": "replace", "path": "/throttle/burstLimit", "value": value}
        gateway.update_usage_plan(usagePlanId=plan, patchOperations=[operation])
        if value == "4999":
            yield
