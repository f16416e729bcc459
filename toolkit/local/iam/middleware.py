"""Authorizes every request to an AWS API while IAM is enforced, and unsigned requests always."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from toolkit.local.iam.authentication import OPEN, Body
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.exceptions import AuthenticationError, UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.refusals import access_denied, not_authenticated
from toolkit.local.signature import Signature

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
        if not self._decides(scope):
            await self._app(scope, receive, send)
            return
        body = Body(receive)
        try:
            refusal = await self._refusal(scope, body)
        except ClientDisconnect:
            return
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, body.replay, send)

    def _decides(self, scope: Scope) -> bool:
        # Not AWS APIs: the cloud's own, and deployed APIs, which have API keys and authorizers.
        path = scope.get("path", "")
        if scope["type"] != "http" or path.startswith("/_toolkit/") or OPEN.fullmatch(path):
            return False
        # Anonymous callers have the permissions of resource policies only, even while IAM is not enforced.
        return self._enforcement.enforced or not Signature.of(scope).access_key

    async def _refusal(self, scope: Scope, body: Body) -> Response | None:
        """The response to a request that is not allowed; None if it is allowed."""
        call: ApiCall | None = None
        try:
            form = await body.read() if operations.is_form(scope) else b""
            service = Signature.of(scope).service
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
