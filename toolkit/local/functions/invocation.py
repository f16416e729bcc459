"""One call of a function: what it is given, and what comes back while it runs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from toolkit.local.functions.exceptions import FunctionError

MAX_EVENT_BYTES = 6 * 1024 * 1024
MAX_ANSWER_BYTES = 6 * 1024 * 1024
# Parts that a function may be ahead of its caller.
_BUFFERED_PARTS = 64


def new_request_id() -> str:
    """An id as Lambda gives each invocation one."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Invocation:
    """What a function is given.

    Attributes:
        event: a JSON document.
        function_arn: as it was invoked.
        timeout_seconds: after which the function is killed.
        client_context: JSON, if the caller sent one.
    """

    event: bytes
    function_arn: str
    timeout_seconds: float
    client_context: str | None = None
    request_id: str = field(default_factory=new_request_id)

    def deadline_ms(self) -> int:
        """When it will be killed if it starts now, in milliseconds since the epoch."""
        return int((time.time() + self.timeout_seconds) * 1000)

    @property
    def trace_id(self) -> str:
        """An X-Ray trace header that is not sampled."""
        digits = self.request_id.replace("-", "")
        return f"Root=1-{int(time.time()):08x}-{digits[:24]};Parent={digits[:16]};Sampled=0"


class Answer:
    """What a function answers, as it comes. Made by `Runner.invoke`.

    Attributes:
        request_id: of the invocation.
        content_type: known once `begin` returned.
        log_tail: base64; known at the end.
    """

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.content_type = "application/json"
        self.log_tail = ""
        self._queue: asyncio.Queue[bytes | FunctionError | None] = asyncio.Queue(_BUFFERED_PARTS)
        self._first: list[bytes | FunctionError | None] = []
        self._task: asyncio.Task[None] | None = None

    def run(self, task: asyncio.Task[None]) -> None:
        """Say which task feeds this answer."""
        self._task = task

    async def put(self, part: bytes) -> None:
        """Add a part; waits while the caller is far behind."""
        await self._queue.put(part)

    async def end(self, error: FunctionError | None = None) -> None:
        """The function is done, or failed."""
        await self._queue.put(error)

    async def begin(self) -> None:
        """Wait until there is something to hand on.

        Raises:
            FunctionError: the function failed before it said anything.
        """
        if not self._first:
            self._first.append(await self._queue.get())
        if isinstance(self._first[0], FunctionError):
            raise self._first[0]

    async def parts(self) -> AsyncIterator[bytes]:
        """All parts.

        Raises:
            FunctionError: the function failed.
        """
        await self.begin()
        part = self._first[0]
        while part is not None:
            if isinstance(part, FunctionError):
                raise part
            yield part
            part = await self._queue.get()

    async def read(self) -> bytes:
        """All parts at once.

        Raises:
            FunctionError: the function failed.
        """
        return b"".join([part async for part in self.parts()])

    def cancel(self) -> None:
        """The caller went away."""
        if self._task is not None:
            self._task.cancel()
