"""API keys and usage plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.apigateway.models import APIGatewayBackend, ApiKey, UsagePlan, apigateway_backends

from toolkit.local.apigateway.call import Call
from toolkit.local.apigateway.errors import GatewayError, Refusal
from toolkit.local.service import ACCOUNT_ID


@dataclass(frozen=True)
class KeyUse:
    """A key that may call a stage.

    Attributes:
        plan: the usage plan that lets it, and whose throttle and quota are its own.
        method_throttles: throttles of single methods, by `<path>/<VERB>`.
    """

    key: ApiKey
    plan: UsagePlan
    method_throttles: Mapping[str, Mapping[str, Any]]


def check(call: Call) -> KeyUse | None:
    """Find out whose key a request has, if its method needs one.

    Raises:
        GatewayError: it has none that is known, enabled and in a usage plan of this stage.
    """
    if call.method is None or not call.method.needs_api_key:
        return None
    if call.stage.definition.api_key_source == "AUTHORIZER":
        value = call.identity.usage_key if call.identity else None
    else:
        value = call.headers.get("x-api-key")
    backend = apigateway_backends[ACCOUNT_ID][call.stage.region]
    use = _find(backend, call, value) if value else None
    if use is None:
        raise GatewayError(Refusal.INVALID_API_KEY, "Forbidden")
    call.api_key_id, call.api_key = use.key.id, use.key.value
    return use


def _find(backend: APIGatewayBackend, call: Call, value: str) -> KeyUse | None:
    for key in list(backend.keys.values()):
        if key.value == value and key.enabled:
            for plan in list(backend.usage_plans.values()):
                stage = _stage(plan, call)
                if stage is not None and key.id in backend.usage_plan_keys.get(plan.id, {}):
                    return KeyUse(key, plan, stage.get("throttle") or {})
    return None


def _stage(plan: UsagePlan, call: Call) -> Mapping[str, Any] | None:
    serves = (call.stage.api_id, call.stage.name)
    return next((stage for stage in plan.api_stages if (stage["apiId"], stage["stage"]) == serves), None)
