"""Retried requests get the response of the first attempt, and are not executed twice.

AWS SDKs retry a request whose connection broke, with the same `amz-sdk-invocation-id` and a higher `attempt`
in `amz-sdk-request`. Terraform's provider sometimes does so on loopback too, and would report the second
response, "already exists", as a failure. Clients never retry a success that they received, so only those are
cached.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolkit.local.awsapi import EXECUTE_API

# Clients retry within seconds, in which there are fewer other requests.
_REMEMBERED = 512
# Responses to changes are small; larger ones are not cached.
_MAX_RESPONSE_BYTES = 64 * 1024
_READING = ("GET", "HEAD", "OPTIONS")


@dataclass
class _CachedResponse:
    """A response as ASGI messages, complete once `over` is set."""

    messages: list[Message] = field(default_factory=list)
    size: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, message: Message) -> None:
        self.size += len(message.get("body", b""))
        if self.size <= _MAX_RESPONSE_BYTES:
            self.messages.append(message)

    @property
    def is_whole_success(self) -> bool:
        """Whether it can be sent again."""
        if self.size > _MAX_RESPONSE_BYTES or len(self.messages) < 2:
            return False
        first, last = self.messages[0], self.messages[-1]
        return 200 <= first["status"] < 300 and not last.get("more_body")


class RetryCacheMiddleware:
    """ASGI middleware that responds to retries from memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._responses: OrderedDict[str, _CachedResponse] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        invocation = _invocation(scope)
        if invocation is None:
            await self._app(scope, receive, send)
            return
        first = self._responses.get(invocation)
        if first is not None:
            await first.over.wait()
            if first.is_whole_success:
                for message in first.messages:
                    await send(message)
                return
        await self._forward(invocation, scope, receive, send)

    async def _forward(self, invocation: str, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._responses[invocation] = _CachedResponse()
        if len(self._responses) > _REMEMBERED:
            self._responses.popitem(last=False)

        async def keep_and_send(message: Message) -> None:
            response.keep(message)
            await send(message)

        try:
            await self._app(scope, receive, keep_and_send)
        finally:
            response.over.set()


def _invocation(scope: Scope) -> str | None:
    """The invocation id of a request that changes something; None for other requests."""
    if scope["type"] != "http" or scope["method"] in _READING:
        return None
    # Callers of deployed APIs are not authenticated yet, and could read each other's responses.
    if scope["path"].startswith(f"{EXECUTE_API}/"):
        return None
    return Headers(scope=scope).get("amz-sdk-invocation-id")
