"""A request that a client repeats because it never saw the answer gets that answer, and is not done twice.

AWS's SDKs send a request again when its connection broke, with the same `amz-sdk-invocation-id` and a
higher `attempt` in `amz-sdk-request`. Terraform's provider does so now and then on loopback too, and
would take the second answer, "already exists", for a failure. A success is never repeated by a client
that saw it, so only successes are answered from memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A client repeats within seconds; by then there were not so many others.
_REMEMBERED = 512
# Answers that change something are small; a large one is not kept.
_MAX_ANSWER_BYTES = 64 * 1024
_READING = ("GET", "HEAD", "OPTIONS")


@dataclass
class _Answer:
    """What was answered, as ASGI messages; complete once `over` is set."""

    messages: list[Message] = field(default_factory=list)
    size: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, message: Message) -> None:
        self.size += len(message.get("body", b""))
        if self.size <= _MAX_ANSWER_BYTES:
            self.messages.append(message)

    @property
    def is_whole_success(self) -> bool:
        """Whether it can be given again."""
        if self.size > _MAX_ANSWER_BYTES or len(self.messages) < 2:
            return False
        first, last = self.messages[0], self.messages[-1]
        return 200 <= first["status"] < 300 and not last.get("more_body")


class RetryCacheMiddleware:
    """ASGI middleware that answers repeated requests from memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        invocation = _invocation(scope)
        if invocation is None:
            await self._app(scope, receive, send)
            return
        first = self._answers.get(invocation)
        if first is not None:
            await first.over.wait()
            if first.is_whole_success:
                for message in first.messages:
                    await send(message)
                return
        await self._answer(invocation, scope, receive, send)

    async def _answer(self, invocation: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answers[invocation] = _Answer()
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)

        async def kept(message: Message) -> None:
            answer.keep(message)
            await send(message)

        try:
            await self._app(scope, receive, kept)
        finally:
            answer.over.set()


def _invocation(scope: Scope) -> str | None:
    """The identifier of a request that changes something; None for all others."""
    if scope["type"] != "http" or scope["method"] in _READING:
        return None
    return Headers(scope=scope).get("amz-sdk-invocation-id")
