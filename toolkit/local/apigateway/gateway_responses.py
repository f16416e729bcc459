"""Gateway responses: errors from the gateway itself, customized by the API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse, Response

from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.apigateway.exceptions import GatewayError

_DEFAULT_TEMPLATE: Final = '{"message":$context.error.messageString}'
_JSON: Final = "application/json"
_VARIABLE: Final = re.compile(r"\$(?:\{context\.([\w.]+)\}|context\.([\w.]*\w))", re.ASCII)
_HEADER: Final = "gatewayresponse.header."


def forbidden() -> Response:
    """The response for an unknown API or stage."""
    return JSONResponse({"message": "Forbidden"}, 403, {"x-amzn-errortype": "ForbiddenException"})


def gateway_response(request: ApiRequest, error: GatewayError) -> Response:
    """The response to a request that failed with `error`."""
    custom = _custom(request.stage.definition.gateway_responses, error)
    # A response for all of 4XX or 5XX keeps the status of the type.
    status = int(custom.get("statusCode") or error.refusal.status)
    templates: Mapping[str, str] = custom.get("responseTemplates") or {}
    media_type, template = next(
        ((kind, templates[kind]) for kind in (_JSON, *templates) if kind in templates),
        (_JSON, _DEFAULT_TEMPLATE),
    )
    headers = {
        "x-amzn-requestid": request.request_id,
        "x-amz-apigw-id": request.extended_request_id,
        "x-amzn-errortype": error.refusal.error_type,
        **_headers(request, error, custom.get("responseParameters") or {}),
    }
    return Response(_render(template, request, error), status, headers, media_type)


def _custom(responses: Mapping[str, Mapping[str, Any]], error: GatewayError) -> Mapping[str, Any]:
    default = "DEFAULT_4XX" if error.refusal.status < 500 else "DEFAULT_5XX"
    return responses.get(error.refusal.name) or responses.get(default) or {}


def _headers(request: ApiRequest, error: GatewayError, parameters: Mapping[str, str]) -> dict[str, str]:
    headers = {}
    for target, source in parameters.items():
        if not target.startswith(_HEADER):
            continue
        if source.startswith("'"):
            value: str | None = source.strip("'")
        elif source.startswith("method.request.header."):
            value = request.headers.get(source.removeprefix("method.request.header."))
        else:
            value = _value(source.removeprefix("context."), request, error)
        if value is not None:
            headers[target.removeprefix(_HEADER).lower()] = value
    return headers


def _render(template: str, request: ApiRequest, error: GatewayError) -> str:
    # Like AWS, replace variables only.
    return _VARIABLE.sub(lambda match: _value(match[1] or match[2], request, error) or "", template)


def _value(name: str, request: ApiRequest, error: GatewayError) -> str | None:
    errors = {
        "error.message": error.message,
        "error.messageString": json.dumps(error.message),
        "error.responseType": error.refusal.name,
    }
    return errors.get(name) or request.variable(name)
