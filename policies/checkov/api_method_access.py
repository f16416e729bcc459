from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from checkov.common.models.enums import CheckCategories

from _rule import Conf, Rule, enabled, unknown, value

# Reaches no model and reveals nothing; monitoring has no API key.
_HEALTH_CHECK = "GET /healthz"
_METHODS = ("get", "put", "post", "delete", "patch", "head", "x-amazon-apigateway-any-method")


class ApiMethodAccess(Rule):
    id = "CKV_LLM_8"
    name = "Every API method except the health check requires an authorizer or an API key"
    severity = "CRITICAL"
    reason = "Anyone on the internet can use the model, at the account's cost."
    remedy = "Add an authorizer or require an API key; in an OpenAPI document, add a `security` entry."
    category = CheckCategories.API_SECURITY
    resources = (
        "aws_api_gateway_rest_api",
        "aws_api_gateway_method",
        "aws_apigatewayv2_api",
        "aws_apigatewayv2_route",
    )
    replaces = ("CKV_AWS_59", "CKV_AWS_309", "CKV2_AWS_70")

    def problems(self, conf: Conf) -> list[str] | None:
        if self.entity_type.endswith("_api"):
            body = value(conf, "body")
            return [] if body is None else _open_operations(body)
        if self.entity_type == "aws_apigatewayv2_route":
            is_open = str(value(conf, "authorization_type") or "NONE") == "NONE"
        else:
            # Browsers send OPTIONS requests without credentials.
            is_open = value(conf, "http_method") != "OPTIONS" and value(conf, "authorization") == "NONE"
        return ["no authorization"] if is_open and not enabled(value(conf, "api_key_required")) else []


def _open_operations(body: Any) -> list[str] | None:
    if isinstance(body, str):
        if unknown(body):
            return None
        try:
            body = json.loads(body)
        except ValueError:
            return None  # YAML, or an expression of source code
    if not isinstance(body, dict):
        return None
    schemes = {**body.get("securityDefinitions", {}), **body.get("components", {}).get("securitySchemes", {})}
    return [
        f"{method.upper()} {path}"
        for path, method, operation in _operations(body)
        if f"{method.upper()} {path}" != _HEALTH_CHECK
        and not _secured(operation.get("security", body.get("security", [])), schemes)
    ]


def _operations(body: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in (body.get("paths") or {}).items():
        for method in _METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                yield path, method, item[method]


def _secured(alternatives: list[dict[str, Any]], schemes: dict[str, Any]) -> bool:
    # One alternative grants access, so each must require a declared scheme.
    return bool(alternatives) and all(
        any(name in schemes for name in alternative) for alternative in alternatives
    )


check = ApiMethodAccess()
