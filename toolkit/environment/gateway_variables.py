"""Environment variables of the functions, as terraform/modules/inference_api sets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from toolkit.environment.api import DEFAULT, Api, Guard
from toolkit.environment.environment import endpoint_name
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
    variables = {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_READINESS_CHECK_PATH": "/healthz",
        "PORT": "8080",
        "GATEWAY_MODELS": _json(
            {
                name: _model(model, None if short else endpoint_name(prefix, name))
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
    restricted = {name: names for name, names in sorted(allowed.items()) if names is not None}
    if restricted:
        variables["GATEWAY_KEY_MODELS"] = _json(restricted)
    if api.domain is not None and api.domain.base_path:
        variables["AWS_LWA_REMOVE_BASE_PATH"] = f"/{api.domain.base_path}"
    if api.cors is not None:
        variables["GATEWAY_CORS_ORIGINS"] = _json(api.cors.allow_origins)
    if api.guard is not None:
        variables["GATEWAY_GUARD"] = _json(_guard(api.guard))
    return variables


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
        # As Terraform writes it.
        "timeout_seconds": json.loads(f"{guard.timeout_seconds:g}"),
    }
    # Without a window, a text is checked as a whole.
    members = {name: value for name, value in members.items() if value is not None}
    return dict(sorted({**members, "window": guard.window_characters}.items()))


def _model(model: Model, endpoint: str | None) -> dict[str, Any]:
    members = {
        **model.limits.model_dump(),
        "endpoint": endpoint,
        "aliases": list(model.aliases) or None,
        "serverless": True if model.serverless is not None else None,
        "dialect": None if model.dialect == "openai" else model.dialect,
        "capabilities": model.capabilities or None,
        "fallback": model.fallback,
    }
    return {name: value for name, value in sorted(members.items()) if value is not None}


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
