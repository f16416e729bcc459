"""Environment variables of the functions, as terraform/modules/inference_api sets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from toolkit.environment.api import DEFAULT, Api, Guard
from toolkit.environment.environment import budget_table, endpoint_name
from toolkit.environment.model import Model

MAX_VARIABLES_BYTES: Final = 4096


def gateway_variables(prefix: str, models: Mapping[str, Model], api: Api) -> dict[str, str]:
    """The variables by name; see `functions.tf` of the module.

    If they would be too large, they leave out the names of endpoints, which follow from those of the models.
    """
    long = _variables(prefix, models, api, short=False)
    return (
        long if variables_bytes(long) <= MAX_VARIABLES_BYTES else _variables(prefix, models, api, short=True)
    )


def _variables(prefix: str, models: Mapping[str, Model], api: Api, *, short: bool) -> dict[str, str]:
    priced = any("dollars_per_month" in plan.budget for plan in api.plans.values())
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_READINESS_CHECK_PATH": "/healthz",
        "PORT": "8080",
        "GATEWAY_MODELS": _json(
            {
                name: _model(model, None if short else endpoint_name(prefix, name), priced=priced)
                for name, model in sorted(models.items())
                if model.asynchronous is None
            }
        ),
        "GATEWAY_KEEPALIVE_SECONDS": f"{api.gateway.keepalive_seconds:g}",
        "GATEWAY_LOG_CONTENT": str(api.gateway.log_content).lower(),
    }
    if short:
        variables["GATEWAY_ENDPOINT_PREFIX"] = prefix
    plans = {**{name: key.usage_plan for name, key in api.keys.items()}, "*": DEFAULT}
    if api.jwt is not None:
        plans |= {f"jwt/{plan}": plan for plan in api.jwt.plans}
    allowed = {name: api.usage_plans[plan].models for name, plan in plans.items() if plan in api.usage_plans}
    unlisted = allowed.get("*")
    restricted = {
        name: names for name, names in sorted(allowed.items()) if names is not None or unlisted is not None
    }
    if restricted:
        variables["GATEWAY_KEY_MODELS"] = _json(restricted)
    if api.has_budgets:
        variables["GATEWAY_BUDGETS"] = _json(_budgets(api, plans))
        variables["GATEWAY_BUDGET_TABLE"] = budget_table(prefix)
    if api.domain is not None and api.domain.base_path:
        variables["AWS_LWA_REMOVE_BASE_PATH"] = f"/{api.domain.base_path}"
    if api.cors is not None:
        variables["GATEWAY_CORS_ORIGINS"] = _json(api.cors.allow_origins)
    if api.guard is not None:
        variables["GATEWAY_GUARD"] = _json(_guard(api.guard))
    return variables


def _budgets(api: Api, plans: Mapping[str, str]) -> dict[str, Any]:
    """Limits and keys by usage plan, of plans that have keys."""
    keys: dict[str, list[str]] = {}
    for key, plan in sorted(plans.items()):
        keys.setdefault(plan, []).append(key)
    budgets = {
        name: {limit: _number(value) for limit, value in plan.budget.items()}
        for name, plan in api.plans.items()
    }
    return {
        plan: dict(sorted({"keys": names, **budgets[plan]}.items()))
        for plan, names in sorted(keys.items())
        if plan in budgets
    }


def authorizer_variables(api: Api) -> dict[str, str]:
    """The authorizer's variables by name; see `jwt.tf` of the module."""
    either = api.key_header == "either"
    variables: dict[str, str] = {"KEY_HEADERS": "x-api-key,authorization" if either else api.key_header}
    if api.jwt is not None:
        members = {name: value for name, value in api.jwt.model_dump().items() if value is not None}
        plans = list(api.jwt.usage_plans.items())
        variables["JWT"] = _json({**members, "usage_plans": plans, "key_digest": "0" * 32})
    return variables


def variables_bytes(variables: Mapping[str, str]) -> int:
    """Their size as Lambda measures it: as JSON, in which each quotation mark of a value is escaped.

    Its error quotes that JSON: github-aws-runners/terraform-aws-github-runner#3594.
    """
    return len(_json(variables).encode())


def _guard(guard: Guard) -> dict[str, Any]:
    members = {
        "bedrock": None if guard.bedrock is None else dict(sorted(guard.bedrock.model_dump().items())),
        "python": None if guard.python is None else guard.python.function,
        "models": guard.models,
        "sources": guard.sources,
        "roles": guard.roles,
        "overlap": guard.overlap_characters,
        "timeout_seconds": _number(guard.timeout_seconds),
    }
    # Without a window, a text is checked as a whole.
    members = {name: value for name, value in members.items() if value is not None}
    return dict(sorted({**members, "window": guard.window_characters}.items()))


def _model(model: Model, endpoint: str | None, *, priced: bool) -> dict[str, Any]:
    members = {
        **model.limits.model_dump(),
        "endpoint": endpoint,
        "aliases": list(model.aliases) or None,
        "serverless": True if model.serverless is not None else None,
        "dialect": None if model.dialect == "openai" else model.dialect,
        "capabilities": model.capabilities or None,
        "operations": model.operations,
        "fallback": model.fallback,
        "price": _price(model) if priced else None,
    }
    return {name: value for name, value in sorted(members.items()) if value is not None}


def _price(model: Model) -> list[float] | None:
    if model.price is None:
        return None
    return [_number(model.price.input_per_million), _number(model.price.output_per_million)]


def _number(value: float) -> float:
    """The number as Terraform writes it: whole numbers without a fraction."""
    return int(value) if value == int(value) else value


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
