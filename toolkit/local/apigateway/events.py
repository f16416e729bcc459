"""Events of a Lambda proxy integration: REST APIs, payload format 1.0."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qsl, unquote

from toolkit.local.apigateway.call import Call
from toolkit.local.apigateway.definition import Method
from toolkit.local.service import ACCOUNT_ID

_MULTIPLE = dict[str, list[str]]
# Of callers with AWS credentials; these are there, and null, for all others.
_NOT_KNOWN = (
    *("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType"),
    *("cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn"),
)


def proxy_event(call: Call, method: Method) -> bytes:
    """What the function is given."""
    body, encoded = _body(call)
    event = {**_described(call, method), "body": body, "isBase64Encoded": encoded}
    return json.dumps(event, ensure_ascii=False).encode()


def request_event(call: Call) -> dict[str, Any]:
    """What a REQUEST authorizer is given: all but the body."""
    assert call.method is not None  # noqa: S101 - routed
    described = _described(call, call.method)
    return {"type": "REQUEST", "methodArn": call.method_arn, **described}


def _described(call: Call, method: Method) -> dict[str, Any]:
    query = _grouped(parse_qsl(call.query, keep_blank_values=True))
    headers = _grouped([*call.headers.items(), *_added_headers(call)])
    return {
        "resource": method.resource,
        # Of a domain's base path the function learns, of a stage's name it does not.
        "path": unquote(f"{call.base_path or ''}{call.path}"),
        "httpMethod": call.http_method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": call.parameters or None,
        "stageVariables": call.stage.variables or None,
        "requestContext": _request_context(call, method),
    }


def _added_headers(call: Call) -> list[tuple[str, str]]:
    host = call.headers.get("host", "")
    return [
        ("X-Forwarded-For", call.source_ip),
        ("X-Forwarded-Port", host.rpartition(":")[2] or "80"),
        ("X-Forwarded-Proto", "http"),
    ]


def _grouped(pairs: list[tuple[str, str]]) -> _MULTIPLE:
    grouped: _MULTIPLE = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _last(multiple: _MULTIPLE) -> dict[str, str]:
    return {name: values[-1] for name, values in multiple.items()}


def _body(call: Call) -> tuple[str | None, bool]:
    if not call.body:
        return None, False
    if is_binary(call, call.headers.get("content-type", "")):
        return base64.b64encode(call.body).decode(), True
    return call.body.decode(errors="replace"), False


def is_binary(call: Call, media_type: str) -> bool:
    """Whether the API takes bodies of a media type for binary."""
    plain = media_type.partition(";")[0].strip().lower()
    kinds = call.stage.definition.binary_media_types
    return any(kind in ("*/*", plain, f"{plain.partition('/')[0]}/*") for kind in kinds)


def _request_context(call: Call, method: Method) -> dict[str, Any]:
    context: dict[str, Any] = {
        "accountId": ACCOUNT_ID,
        "apiId": call.stage.api_id,
        "deploymentId": call.stage.deployment_id,
        "domainName": call.headers.get("host", ""),
        "domainPrefix": call.stage.api_id,
        "extendedRequestId": call.extended_request_id,
        "httpMethod": call.http_method,
        "identity": _identity(call),
        "path": call.sent_path,
        "protocol": "HTTP/1.1",
        "requestId": call.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(call.started_at)),
        "requestTimeEpoch": int(call.started_at * 1000),
        "resourceId": "",
        "resourcePath": method.resource,
        "stage": call.stage.name,
    }
    if method.operation:
        context["operationName"] = method.operation
    if call.identity is not None:
        context["authorizer"] = {"principalId": call.identity.principal, **call.identity.context}
    return context


def _identity(call: Call) -> dict[str, Any]:
    identity: dict[str, Any] = dict.fromkeys(_NOT_KNOWN)
    identity |= {"sourceIp": call.source_ip, "userAgent": call.headers.get("user-agent")}
    if call.caller is not None:
        identity |= {"accessKey": call.caller.access_key, "accountId": ACCOUNT_ID}
        identity |= {"caller": call.caller.id, "user": call.caller.id, "userArn": call.caller.arn}
    if call.api_key_id is not None:
        identity |= {"apiKey": call.api_key, "apiKeyId": call.api_key_id}
    return identity
