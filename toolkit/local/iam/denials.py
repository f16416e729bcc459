"""Denials as AWS answers them, in the words of each protocol, so that SDKs raise the errors they know."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from xml.sax.saxutils import escape

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from toolkit.local.iam.decisions import Decision
from toolkit.local.iam.mapping.operations import Call, is_form
from toolkit.local.iam.principals import AuthenticationError

_DENIED = "AccessDenied"
# Code → what a protocol, or one service, calls it instead.
_CODES: Mapping[str, Mapping[str, str]] = {
    _DENIED: {
        "ec2": "UnauthorizedOperation",
        "json": "AccessDeniedException",
        "rest-json": "AccessDeniedException",
        "sns": "AuthorizationError",
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
}
# 403 otherwise.
_STATUSES: Mapping[str, int] = {"json": 400}
_QUERY = '<ErrorResponse xmlns="http://webservices.amazon.com/"><Error><Type>Sender</Type>{error}</Error>{id}</ErrorResponse>'
_EC2 = "<Response><Errors><Error>{error}</Error></Errors>{id}</Response>"
_S3 = "<Error>{error}{id}</Error>"


def access_denied(decision: Decision, scope: Scope, call: Call | None) -> Response:
    """The answer to a request that is not allowed.

    Args:
        call: None if it is for nothing that is known.
    """
    message = decision.message
    if call is not None and call.protocol == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
    return _error(_DENIED, message, scope, call)


def not_authenticated(error: AuthenticationError, scope: Scope, call: Call | None) -> Response:
    """The answer to a request with credentials that are no good."""
    return _error(error.code, error.message, scope, call)


def _error(code: str, message: str, scope: Scope, call: Call | None) -> Response:
    protocol = call.protocol if call is not None else _guess(scope)
    service = call.prefix if call is not None else ""
    names = _CODES.get(code, {})
    code = names.get(service) or names.get(protocol) or code
    request_id = str(uuid.uuid4())
    status = _STATUSES.get(protocol, 403)
    if protocol in ("json", "rest-json"):
        headers = {"x-amzn-errortype": code, "x-amzn-requestid": request_id}
        if call is not None and "awsQueryCompatible" in call.model.service_model.metadata:
            headers["x-amzn-query-error"] = f"{_DENIED};Sender"
        content = {"__type": code, "message": message, "Message": message}
        return JSONResponse(content, status, headers, media_type="application/x-amz-json-1.1")
    if scope["method"] == "HEAD":
        # S3 cannot say why.
        return Response(status_code=status)
    template = {"rest-xml": _S3, "ec2": _EC2}.get(protocol, _QUERY)
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    body = template.format(error=error, id=f"<RequestId>{request_id}</RequestId>")
    return Response(body, status, media_type="application/xml")


def _guess(scope: Scope) -> str:
    headers = Headers(scope=scope)
    if "x-amz-target" in headers:
        return "json"
    if is_form(scope):
        return "query"
    return "rest-json" if "json" in headers.get("content-type", "") else "rest-xml"
