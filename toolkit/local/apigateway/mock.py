"""Mock integrations: answers that the gateway gives by itself, as to CORS preflight requests."""

from __future__ import annotations

import json
import re

from starlette.responses import Response

from toolkit.local.apigateway.call import Call
from toolkit.local.apigateway.definition import Integration
from toolkit.local.apigateway.errors import misconfigured

_HEADER = "method.response.header."
_JSON = "application/json"
# The template may be meant for a language that is not run here; its quotes may differ from those of JSON.
_STATUS = re.compile(r"[\"']?statusCode[\"']?\s*:\s*[\"']?(\d{3})")


def answer(call: Call, integration: Integration) -> Response:
    """The answer of a mock integration.

    Raises:
        GatewayError: its request template names no status, or one without a response.
    """
    template = integration.request_templates.get(_JSON, "")
    found = _STATUS.search(template)
    if found is None:
        raise misconfigured(f"{call.http_method} {call.path}: a mock's request template needs a statusCode")
    responses = integration.responses
    chosen = next(
        (r for pattern, r in responses.items() if pattern != "default" and re.fullmatch(pattern, found[1])),
        responses.get("default"),
    )
    if chosen is None:
        raise misconfigured(f"{call.http_method} {call.path}: no response for a mock's {found[1]}")
    headers = {"x-amzn-requestid": call.request_id, "x-amz-apigw-id": call.extended_request_id}
    for target, source in (chosen.get("responseParameters") or {}).items():
        if target.startswith(_HEADER) and source.startswith("'"):
            headers[target.removeprefix(_HEADER).lower()] = source.strip("'")
    body = (chosen.get("responseTemplates") or {}).get(_JSON) or ""
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(text, int(chosen.get("statusCode", found[1])), headers, _JSON)
