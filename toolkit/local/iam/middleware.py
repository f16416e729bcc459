"""Holds every request to an AWS API against IAM, when that is enforced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolkit.local.iam import denials
from toolkit.local.iam.credentials import Credentials
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.errors import UnmappedRequestError
from toolkit.local.iam.mapping import operations
from toolkit.local.iam.mapping.operations import Call
from toolkit.local.iam.principals import AuthenticationError

# No AWS APIs: the cloud's own, and deployed APIs, which have keys and authorizers.
_OPEN = ("/_toolkit/", "/_aws/execute-api/")
# Larger bodies take too long to read for the event loop.
_LARGE_BYTES = 256 * 1024

_P = ParamSpec("_P")
_R = TypeVar("_R")


class EnforceIam:
    """ASGI middleware around the whole front."""

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
        """The answer to a request that is not allowed."""
        call: Call | None = None
        try:
            form = await body.read() if operations.is_form(scope) else b""
            service = Credentials.of(scope).service
            # The first request to a service loads its model, which takes too long for the event loop.
            is_cold = service not in self._warm
            call = await _run(is_cold, operations.identify, scope, form)
            content = await body.read() if call.needs_body else form
            is_slow = is_cold or len(content) > _LARGE_BYTES
            denial = await _run(is_slow, self._enforcement.authorize, call, content)
            self._warm.add(service)
        except UnmappedRequestError as error:
            return self._unmapped(scope, error)
        except AuthenticationError as error:
            return denials.not_authenticated(error, scope, call)
        return denials.access_denied(denial, scope, call) if denial is not None else None

    def _unmapped(self, scope: Scope, error: UnmappedRequestError) -> Response:
        try:
            return denials.access_denied(self._enforcement.unmapped(scope, error), scope, None)
        except AuthenticationError as refusal:
            return denials.not_authenticated(refusal, scope, None)


async def _run(in_thread: bool, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    if in_thread:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


class _Body:
    """A request's body: read here if it matters, and given to the application all the same."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: bytes | None = None
        self._replayed = False

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            ClientDisconnect: the client left before its end.
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
        """What the application has in place of the server's `receive`."""
        if self._read is None or self._replayed:
            return await self._receive()
        self._replayed = True
        return {"type": "http.request", "body": self._read, "more_body": False}
