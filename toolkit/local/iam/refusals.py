"""Responses to denied requests and invalid credentials, in the format of each protocol."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from xml.sax.saxutils import escape

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from toolkit.local.iam.enforcement import Decision
from toolkit.local.iam.exceptions import AuthenticationError
from toolkit.local.iam.mapping.operations import ApiCall, is_form

_DENIED = "AccessDenied"
# Code → its name in a protocol or service.
_CODES: Mapping[str, Mapping[str, str]] = {
    _DENIED: {
        "ec2": "UnauthorizedOperation",
        "json": "AccessDeniedException",
        "rest-json": "AccessDeniedException",
        "sns": "AuthorizationError",
    },
    # Of requests that violate the service model: localstack/localstack, tests/aws/services/*.snapshot.json.
    "ValidationError": {
        "ec2": "InvalidParameterValue",
        "ecr": "InvalidParameterException",
        "json": "ValidationException",
        "logs": "InvalidParameterException",
        "pricing": "InvalidParameterException",
        "rest-json": "ValidationException",
        "route53": "InvalidInput",
        "s3": "InvalidArgument",
        "sagemaker-runtime": "ValidationError",
    },
    "SerializationException": {
        "ec2": "InvalidParameterValue",
        "query": "MalformedInput",
        "rest-xml": "MalformedXML",
    },
    "ExpiredToken": {
        "ec2": "RequestExpired",
        "json": "ExpiredTokenException",
        "rest-json": "ExpiredTokenException",
    },
    "InvalidClientTokenId": {
        "ec2": "AuthFailure",
        "json": "UnrecognizedClientException",
        "rest-json": "UnrecognizedClientException",
        "s3": "InvalidAccessKeyId",
    },
    "MissingAuthenticationToken": {
        "json": "MissingAuthenticationTokenException",
        "rest-json": "MissingAuthenticationTokenException",
        "rest-xml": _DENIED,
    },
    "SignatureDoesNotMatch": {
        "ec2": "AuthFailure",
        "json": "InvalidSignatureException",
        "rest-json": "InvalidSignatureException",
    },
}
# 403 otherwise; so for invalid credentials: aws-azure-login#37 and aws-sdk-php#2444 show 400 for JSON-RPC,
# iamlive#58 shows 403 for Lambda, whose protocol is REST.
_STATUSES: Mapping[str, int] = {"json": 400}
_QUERY = '<ErrorResponse xmlns="http://webservices.amazon.com/"><Error><Type>Sender</Type>{error}</Error>{id}</ErrorResponse>'
_EC2 = "<Response><Errors><Error>{error}</Error></Errors>{id}</Response>"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_S3 = "<Error>{error}{id}</Error>"


def access_denied(decision: Decision, scope: Scope, call: ApiCall | None) -> Response:
    """The response to a request that is not allowed.

    Args:
        call: None for an unknown operation.
    """
    message = decision.message
    if call is not None and call.protocol == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
    protocol = call.protocol if call is not None else _guess(scope)
    return error_response(_DENIED, message, scope, call, _STATUSES.get(protocol, 403))


def not_authenticated(error: AuthenticationError, scope: Scope, call: ApiCall | None) -> Response:
    """The response to a request with invalid credentials."""
    is_json = call is not None and call.protocol == "json" and not _is_query_compatible(call)
    return error_response(error.code, error.message, scope, call, 400 if is_json else 403)


def _is_query_compatible(call: ApiCall) -> bool:
    return "awsQueryCompatible" in call.model.service_model.metadata


def error_response(code: str, message: str, scope: Scope, call: ApiCall | None, status: int) -> Response:
    """An error in the format of the request's protocol.

    Args:
        code: as in the query protocol; other protocols and services may have another name for it.
        call: None for an unknown operation.
    """
    protocol = call.protocol if call is not None else _guess(scope)
    service = call.model.service_model.service_name if call is not None else ""
    names = _CODES.get(code, {})
    query_code = code
    code = names.get(service) or names.get(protocol) or code
    request_id = str(uuid.uuid4())
    if protocol in ("json", "rest-json"):
        headers = {"x-amzn-errortype": code, "x-amzn-requestid": request_id}
        if call is not None and _is_query_compatible(call):
            headers["x-amzn-query-error"] = f"{query_code};Sender"
        content = {"__type": code, "message": message, "Message": message}
        return JSONResponse(content, status, headers, media_type="application/x-amz-json-1.1")
    if scope["method"] == "HEAD":
        return Response(status_code=status)
    template = {"rest-xml": _S3, "ec2": _EC2}.get(protocol, _QUERY)
    text = escape(_NOT_XML.sub("?", message))
    error = f"<Code>{code}</Code><Message>{text}</Message>"
    body = template.format(error=error, id=f"<RequestId>{request_id}</RequestId>")
    return Response(body, status, media_type="application/xml")


def _guess(scope: Scope) -> str:
    headers = Headers(scope=scope)
    if "x-amz-target" in headers:
        return "json"
    if is_form(scope):
        return "query"
    return "rest-json" if "json" in headers.get("content-type", "") else "rest-xml"
