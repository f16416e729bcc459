"""Middleware in front of all routes that refuses requests, some by their body."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolkit.local.awsapi import EXECUTE_API

# Deployed APIs have API keys and authorizers; containers send a token for their credentials.
# Exactly the paths that have routes: everything else could reach moto unsigned.
_OPEN: Final = re.compile(rf"{EXECUTE_API}/[^\n]*|/_toolkit/container-credentials/[0-9a-f]+")
# Hashing or parsing larger bodies would block the event loop.
LARGE_BYTES: Final = 256 * 1024

_P = ParamSpec("_P")
_R = TypeVar("_R")


async def run(in_thread: bool, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call a function, in a thread if it would block the event loop."""
    if in_thread:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


class Body:
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


class RefusingMiddleware(ABC):
    """ASGI middleware that responds to the requests that it refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _OPEN.fullmatch(scope["path"]) or not self._decides(scope):
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

    @abstractmethod
    def _decides(self, scope: Scope) -> bool:
        """Whether it can refuse a request."""

    @abstractmethod
    async def _refusal(self, scope: Scope, body: Body) -> Response | None:
        """The response to a request that it refuses; None for others."""
