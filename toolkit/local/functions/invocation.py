"""One invocation of a function: its input and its response stream."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from toolkit.local.functions.exceptions import FunctionError

MAX_EVENT_BYTES = 6 * 1024 * 1024
MAX_RESPONSE_BYTES = 6 * 1024 * 1024
# Parts to buffer for a slow caller.
_BUFFERED_PARTS = 64


def new_request_id() -> str:
    """A new request id."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Invocation:
    """The input of an invocation.

    Attributes:
        event: a JSON document.
        function_arn: as invoked.
        timeout_seconds: the function is killed afterwards.
        client_context: JSON, if the caller sent one.
        caller_trace_id: X-Ray's header, if the caller sent one.
    """

    event: bytes
    function_arn: str
    timeout_seconds: float
    client_context: str | None = None
    request_id: str = field(default_factory=new_request_id)
    caller_trace_id: str | None = None

    def deadline_ms(self) -> int:
        """The deadline of an invocation that starts now, in milliseconds since the epoch."""
        return int((time.time() + self.timeout_seconds) * 1000)

    @property
    def trace_id(self) -> str:
        """X-Ray's header: the caller's, or one that is not sampled."""
        if self.caller_trace_id is not None:
            return self.caller_trace_id
        digits = self.request_id.replace("-", "")
        return f"Root=1-{int(time.time()):08x}-{digits[:24]};Parent={digits[:16]};Sampled=0"


class ResponseStream:
    """A function's response as it arrives, from `Runner.invoke`.

    Attributes:
        request_id: of the invocation.
        content_type: set when `begin` returns.
        log_tail: base64; set at the end.
    """

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.content_type = "application/json"
        self.log_tail = ""
        self._queue: asyncio.Queue[bytes | FunctionError | None] = asyncio.Queue(_BUFFERED_PARTS)
        self._first: list[bytes | FunctionError | None] = []
        self._task: asyncio.Task[None] | None = None

    def run(self, task: asyncio.Task[None]) -> None:
        """Set the task that writes to the stream."""
        self._task = task

    async def put(self, part: bytes) -> None:
        """Add a part. Wait while the buffer is full."""
        await self._queue.put(part)

    async def end(self, error: FunctionError | None = None) -> None:
        """End the stream, with an error if the function failed."""
        await self._queue.put(error)

    async def begin(self) -> None:
        """Wait for the first part.

        Raises:
            FunctionError: the function failed before it.
        """
        if not self._first:
            self._first.append(await self._queue.get())
        if isinstance(self._first[0], FunctionError):
            raise self._first[0]

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the parts.

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
        """Read all parts.

        Raises:
            FunctionError: the function failed.
        """
        return b"".join([part async for part in self.parts()])

    def cancel(self) -> None:
        """Cancel the invocation: the caller disconnected."""
        if self._task is not None:
            self._task.cancel()
