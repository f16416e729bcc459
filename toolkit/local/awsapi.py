"""The wire side of AWS's APIs: which service a request is for, and errors as SDKs expect them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route, request_response
from starlette.types import Receive, Scope, Send

from toolkit.local.service import DEFAULT_REGION

Handler = Callable[[Request], Awaitable[Response]]

_SCOPE = re.compile(
    r"Credential=(?P<key>[^/,]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request", re.ASCII
)


@dataclass(frozen=True)
class Signature:
    """What a request's SigV4 signature says; it is not verified.

    Attributes:
        access_key: the caller's access key id; empty if the request is unsigned.
        region: default region if unsigned.
        service: the signing name, such as `sagemaker` for both SageMaker and its runtime.
    """

    access_key: str
    region: str
    service: str

    @classmethod
    def of(cls, headers: Headers) -> Signature:
        """Read it from the Authorization header."""
        match = _SCOPE.search(headers.get("authorization", ""))
        if match is None:
            return cls("", DEFAULT_REGION, "")
        return cls(match["key"], match["region"], match["service"].lower())


class SignedRoute(Route):
    """A path of one AWS service's REST API; the same path signed for another service is not matched."""

    def __init__(self, service: str, path: str, handler: Handler, *, methods: Collection[str]) -> None:
        super().__init__(path, handler, methods=methods)
        self._service = service

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        if match is Match.FULL and Signature.of(Headers(scope=scope)).service == self._service:
            return match, child_scope
        # Not "method not allowed" either: moto may answer it.
        return Match.NONE, {}


class TargetRoute(BaseRoute):
    """All operations of one JSON-RPC service, told by `X-Amz-Target: <prefix>.<Operation>`."""

    def __init__(self, prefix: str, handler: Handler) -> None:
        self._prefix = f"{prefix}."
        self._app = request_response(handler)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] == "POST":
            target = Headers(scope=scope).get("x-amz-target", "")
            if target.startswith(self._prefix):
                return Match.FULL, {"path_params": {"operation": target.removeprefix(self._prefix)}}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def json_error(status: int, code: str, message: str, **members: Any) -> JSONResponse:
    """An error of a JSON or REST-JSON service.

    Args:
        status: the HTTP status.
        code: the name of the error's shape, such as `ValidationException`.
        message: what an SDK shows.
        members: further members of the shape.
    """
    return JSONResponse(
        {"__type": code, "message": message, "Message": message, **members},
        status_code=status,
        media_type="application/x-amz-json-1.1",
        headers={"x-amzn-errortype": code, "x-amzn-requestid": str(uuid.uuid4())},
    )
