"""Authorizes every request to an AWS API while IAM is enforced, and formats denials for each protocol."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar
from xml.sax.saxutils import escape

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolkit.local.iam.enforcement import Decision, Enforcement
from toolkit.local.iam.exceptions import AuthenticationError, UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.iam.mapping.operations import ApiCall, is_form
from toolkit.local.iam.principals import Credentials

# Not AWS APIs: the cloud's own, and deployed APIs, which have API keys and authorizers.
_OPEN = ("/_toolkit/", "/_aws/execute-api/")
# Parsing larger bodies would block the event loop.
_LARGE_BYTES = 256 * 1024

_P = ParamSpec("_P")
_R = TypeVar("_R")


class EnforceIamMiddleware:
    """ASGI middleware for all routes."""

    def __init__(self, app: ASGIApp, enforcement: Enforcement) -> None:
        self._app = app
        self._enforcement = enforcement
        self._warm: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._enforcement.enforced or scope["type"] != "http" or scope["path"].startswith(_OPEN):
            await self._app(scope, receive, send)
            return
        body = _Body(receive)
        try:
            refusal = await self._refusal(scope, body)
        except ClientDisconnect:
            return
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, body.replay, send)

    async def _refusal(self, scope: Scope, body: _Body) -> Response | None:
        """The response to a request that is not allowed; None if it is allowed."""
        call: ApiCall | None = None
        try:
            form = await body.read() if operations.is_form(scope) else b""
            service = Credentials.of(scope).service
            # The first request to a service loads its model, which would block the event loop.
            is_cold = service not in self._warm
            call = await _run(is_cold, operations.identify, scope, form)
            content = await body.read() if call.needs_body else form
            is_slow = is_cold or len(content) > _LARGE_BYTES
            denial = await _run(is_slow, self._enforcement.authorize, call, content)
            self._warm.add(service)
        except UnmappedRequestError as error:
            return self._unmapped(scope, error)
        except AuthenticationError as error:
            return not_authenticated(error, scope, call)
        return access_denied(denial, scope, call) if denial is not None else None

    def _unmapped(self, scope: Scope, error: UnmappedRequestError) -> Response:
        try:
            return access_denied(self._enforcement.unmapped(scope, error), scope, None)
        except AuthenticationError as refusal:
            return not_authenticated(refusal, scope, None)


async def _run(in_thread: bool, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    if in_thread:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


class _Body:
    """A request's body, which can be read here and replayed to the application."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: bytes | None = None
        self._replayed = False

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            ClientDisconnect: the client disconnected.
        """
        if self._read is None:
            chunks = []
            more = True
            while more:
                message = await self._receive()
                if message["type"] != "http.request":
                    raise ClientDisconnect
                chunks.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._read = b"".join(chunks)
        return self._read

    async def replay(self) -> Message:
        """The application's `receive`."""
        if self._read is None or self._replayed:
            return await self._receive()
        self._replayed = True
        return {"type": "http.request", "body": self._read, "more_body": False}


_DENIED = "AccessDenied"
# Code → its name in a protocol or service.
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


def access_denied(decision: Decision, scope: Scope, call: ApiCall | None) -> Response:
    """The response to a request that is not allowed.

    Args:
        call: None for an unknown operation.
    """
    message = decision.message
    if call is not None and call.protocol == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
    return _error(_DENIED, message, scope, call)


def not_authenticated(error: AuthenticationError, scope: Scope, call: ApiCall | None) -> Response:
    """The response to a request with invalid credentials."""
    return _error(error.code, error.message, scope, call)


def _error(code: str, message: str, scope: Scope, call: ApiCall | None) -> Response:
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
