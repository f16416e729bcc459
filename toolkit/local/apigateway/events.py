"""Events of Lambda proxy integrations and authorizers (REST APIs, payload format 1.0)."""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from urllib.parse import parse_qsl

from toolkit.local.apigateway.api_request import ApiRequest
from toolkit.local.apigateway.openapi import Method
from toolkit.local.service import ACCOUNT_ID

_MULTIPLE = dict[str, list[str]]
# Null, except for callers with AWS credentials.
_IAM_IDENTITY = (
    *("accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType"),
    *("cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "user", "userArn"),
)
# Never sent to a function, and named alike whatever the client sends (localstack/localstack,
# services/apigateway/next_gen/execute_api/header_utils.py and test_apigateway_lambda.py).
_DROPPED = frozenset(
    {
        *("connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate"),
        *("server", "te", "trailer", "transfer-encoding", "upgrade", "www-authenticate"),
    }
)
_CANONICAL = frozenset({"accept", "authorization", "host", "user-agent"})


def proxy_event(request: ApiRequest, method: Method) -> bytes:
    """The event of a proxy integration."""
    body, encoded = _body(request)
    event = {**_event(request, method), "body": body, "isBase64Encoded": encoded}
    return json.dumps(event, ensure_ascii=False).encode()


def request_event(request: ApiRequest) -> dict[str, Any]:
    """The event of a REQUEST authorizer: the request without its body."""
    assert request.method is not None  # noqa: S101 - routed
    event = _event(request, request.method)
    return {"type": "REQUEST", "methodArn": request.method_arn, **event}


def _event(request: ApiRequest, method: Method) -> dict[str, Any]:
    if request.event is None:
        request.event = _client_members(request, method)
    return {**request.event, "requestContext": _request_context(request, method)}


def _client_members(request: ApiRequest, method: Method) -> dict[str, Any]:
    """Members from the request, the same for the authorizer and the integration."""
    query = _grouped(parse_qsl(request.query, keep_blank_values=True))
    headers = _grouped(_headers(request))
    return {
        "resource": method.resource,
        # With the base path of a custom domain, but without the stage.
        "path": f"{request.base_path or ''}{request.path}",
        "httpMethod": request.http_method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": request.parameters or None,
        "stageVariables": request.stage.variables or None,
    }


def _headers(request: ApiRequest) -> list[tuple[str, str]]:
    """The headers as a function sees them: with the client's names, but for some."""
    host = request.headers.get("host", "")
    sent_for = [value for name, value in request.headers.items() if name == "x-forwarded-for"]
    added = {
        "X-Amzn-Trace-Id": request.headers.get("x-amzn-trace-id") or request.trace_id.partition(";")[0],
        "X-Forwarded-For": ", ".join([*sent_for, request.source_ip]),
        "X-Forwarded-Port": host.rpartition(":")[2] or "80",
        "X-Forwarded-Proto": "http",
    }
    replaced = _DROPPED | {name.lower() for name in added}
    headers = [
        (name.title() if name in _CANONICAL else request.sent_name(name), value)
        for name, value in request.headers.items()
        if name not in replaced
    ]
    return [*headers, *added.items()]


def _grouped(pairs: list[tuple[str, str]]) -> _MULTIPLE:
    grouped: _MULTIPLE = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _last(multiple: _MULTIPLE) -> dict[str, str]:
    return {name: values[-1] for name, values in multiple.items()}


def _body(request: ApiRequest) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    if is_binary(request, request.headers.get("content-type", "")):
        return base64.b64encode(request.body).decode(), True
    return request.body.decode(errors="replace"), False


def is_binary(request: ApiRequest, media_type: str) -> bool:
    """Whether bodies of a media type are binary in this API."""
    plain = media_type.partition(";")[0].strip().lower()
    kinds = request.stage.definition.binary_media_types
    return any(kind in ("*/*", plain, f"{plain.partition('/')[0]}/*") for kind in kinds)


def _request_context(request: ApiRequest, method: Method) -> dict[str, Any]:
    context: dict[str, Any] = {
        "accountId": ACCOUNT_ID,
        "apiId": request.stage.api_id,
        "deploymentId": request.stage.deployment_id,
        "domainName": request.headers.get("host", ""),
        "domainPrefix": request.stage.api_id,
        "extendedRequestId": request.extended_request_id,
        "httpMethod": request.http_method,
        "identity": _identity(request),
        "path": request.sent_path,
        "protocol": "HTTP/1.1",
        "requestId": request.request_id,
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.started_at)),
        "requestTimeEpoch": int(request.started_at * 1000),
        "resourceId": "",
        "resourcePath": method.resource,
        "stage": request.stage.name,
    }
    if method.operation:
        context["operationName"] = method.operation
    if request.identity is not None:
        context["authorizer"] = {"principalId": request.identity.principal, **request.identity.context}
    return context


def _identity(request: ApiRequest) -> dict[str, Any]:
    identity: dict[str, Any] = dict.fromkeys(_IAM_IDENTITY)
    identity |= {"sourceIp": request.source_ip, "userAgent": request.headers.get("user-agent")}
    if request.caller is not None:
        identity |= {"accessKey": request.caller.access_key, "accountId": ACCOUNT_ID}
        identity |= {"caller": request.caller.id, "user": request.caller.id, "userArn": request.caller.arn}
    if request.api_key_id is not None:
        identity |= {"apiKey": request.api_key, "apiKeyId": request.api_key_id}
    return identity
