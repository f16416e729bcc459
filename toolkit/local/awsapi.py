"""AWS's wire protocols: which service a request is for, and errors in the format that SDKs expect."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route, request_response
from starlette.types import Receive, Scope, Send

from toolkit.local.signature import Signature

_log = logging.getLogger(__name__)

JSON = "application/x-amz-json-1.1"
# Path of the deployed APIs.
EXECUTE_API = "/_aws/execute-api"
# Member of the scope of a request for a custom domain: the part of its path that belongs to the domain.
BASE_PATH = "toolkit.base_path"

# Of a request or a response, as the service model names them.
Members = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]


class ApiError(Exception):
    """An error response of an AWS API.

    Args:
        code: name of the error shape, such as `ValidationException`.
        message: shown by SDKs; null if it is empty.
        status: the HTTP status.
        members: additional members of the shape.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    def response(self) -> JSONResponse:
        """The response of a JSON or REST-JSON service."""
        message = self.message or None
        return JSONResponse(
            {"__type": self.code, "message": message, "Message": message, **self.members},
            status_code=self.status,
            media_type=JSON,
            headers={"x-amzn-errortype": self.code, "x-amzn-requestid": str(uuid.uuid4())},
        )


def json_response(members: Members) -> Response:
    """The successful response of a JSON service."""
    return JSONResponse(members, media_type=JSON, headers={"x-amzn-requestid": str(uuid.uuid4())})


class SignedRoute(Route):
    """A path of one AWS service's REST API. It does not match requests signed for another service."""

    def __init__(self, service: str, path: str, handler: Handler, *, methods: Collection[str]) -> None:
        super().__init__(path, _with_errors(handler), methods=methods)
        self._service = service

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        if match is Match.FULL and Signature.of(scope).service == self._service:
            return match, child_scope
        # Not "method not allowed": moto may support it.
        return Match.NONE, {}


class TargetRoute(BaseRoute):
    """Operations of one JSON-RPC service, identified by `X-Amz-Target: <prefix>.<Operation>`.

    Args:
        prefix: the service's target prefix, such as `SageMaker`.
        operations: supported by the handler; the others go to moto.
        handler: reads the operation's name from `request.path_params["operation"]`.
    """

    def __init__(self, prefix: str, operations: Collection[str], handler: Handler) -> None:
        self._prefix = f"{prefix}."
        self.operations = frozenset(operations)
        self._app = request_response(_with_errors(handler))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/":
            target = Headers(scope=scope).get("x-amz-target", "")
            operation = target.removeprefix(self._prefix)
            if operation != target and operation in self.operations:
                return Match.FULL, {"path_params": {"operation": operation}}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _with_errors(handler: Handler) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except ApiError as error:
            return error.response()
        except Exception as error:  # noqa: BLE001 logged and returned to the caller
            # Not a 500, which SDKs retry for minutes.
            _log.exception("%s %s", request.method, request.url.path)
            message = f"the embedded cloud failed: {type(error).__name__}: {error}"
            return ApiError("InternalFailure", message, status=501).response()

    return handle
