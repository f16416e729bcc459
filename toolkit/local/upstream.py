"""Requests to the servers behind the cloud: model servers, and functions that are web servers.

One request a connection, on loopback, where a new connection costs a fraction of a millisecond. Parts
of an answer are handed on as they come. Small on purpose: with a general client the cost of a streamed
token is several times higher.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import cast

import httptools

Header = tuple[str, str]

# A caller that reads slowly slows the server down, rather than filling memory.
_MAX_PENDING_BYTES = 256 * 1024


class UpstreamError(ConnectionError):
    """The server closed the connection early, or answered something that is not HTTP."""


@dataclass(frozen=True)
class Answer:
    """The beginning of an answer.

    Attributes:
        status: the HTTP status.
        headers: with names in lower case; without those that concern the connection only.
        parts: the body, part by part as it arrives. Raises UpstreamError if it breaks off.
    """

    status: int
    headers: list[Header]
    parts: AsyncIterator[bytes]

    def header(self, name: str, default: str = "") -> str:
        """The value of one header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), default)

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([part async for part in self.parts])


@contextlib.asynccontextmanager
async def request(
    port: int, method: str, target: str, *, headers: Sequence[Header] = (), body: bytes = b""
) -> AsyncIterator[Answer]:
    """Send a request to a server on 127.0.0.1; leaving the block closes the connection.

    Args:
        port: where it listens.
        method: the HTTP method.
        target: the path, with the query if there is one.
        headers: further headers; Host, Content-Length and those of the connection are set here.
        body: the whole body.

    Raises:
        OSError: nothing listens there.
        UpstreamError: see there.
    """
    own = [("Host", f"127.0.0.1:{port}"), ("Content-Length", str(len(body))), ("Connection", "close")]
    own += [(name, value) for name, value in headers if name.lower() not in _SET_HERE]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in own)]
    if any(character in line for line in lines for character in "\r\n"):
        raise ValueError("a line break in a request's head")
    head = "\r\n".join([*lines, "", ""]).encode("latin1")
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(
        lambda: _Connection(has_body=method != "HEAD"), "127.0.0.1", port
    )
    try:
        transport.write(head + body)
        await connection.wait_for_head()
        yield Answer(connection.status, connection.headers, connection.parts())
    finally:
        # Not a polite shutdown: a server that still works for us must notice at once.
        transport.abort()


_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer")
_SET_HERE = ("host", "content-length", *_HOP_BY_HOP)


class _Connection(asyncio.Protocol):
    """One request's connection; the parser calls its `on_…` methods.

    Args:
        has_body: whether the answer may have one; to a HEAD request it only says how long it would be.
    """

    def __init__(self, has_body: bool) -> None:
        self._has_body = has_body
        self.headers: list[Header] = []
        self.status = 0
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._has_head = False
        self._ends_with_connection = True
        self._ended = False
        self._error: str | None = None
        self._pending: list[bytes] = []
        self._news = asyncio.Event()

    async def wait_for_head(self) -> None:
        """Until status and headers are known."""
        while not self._has_head:
            if self._error is not None:
                raise UpstreamError(self._error)
            await self._wait()

    async def parts(self) -> AsyncIterator[bytes]:
        """What has arrived since the last part, again and again."""
        while True:
            if self._pending:
                part = b"".join(self._pending)
                self._pending.clear()
                if self._transport is not None and not self._transport.is_closing():
                    self._transport.resume_reading()
                yield part
            elif self._ended:
                return
            elif self._error is not None:
                raise UpstreamError(self._error)
            else:
                await self._wait()

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._error = f"the server answered something that is not HTTP: {error}"
        if sum(map(len, self._pending)) > _MAX_PENDING_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and self._has_head and self._ends_with_connection:
            self._ended = True
        elif not self._ended:
            self._error = self._error or f"the server broke off{f': {error}' if error else ''}"
        self._news.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        header = name.decode("latin1").lower()
        if header in ("content-length", "transfer-encoding"):
            self._ends_with_connection = False
        if header not in _HOP_BY_HOP:
            self.headers.append((header, value.decode("latin1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        # 100 Continue and its like come before the answer.
        self._has_head = self.status >= 200
        if not self._has_head:
            self.headers.clear()
        elif not self._has_body:
            self._ended = True

    def on_body(self, body: bytes) -> None:
        self._pending.append(body)

    def on_message_complete(self) -> None:
        self._ended = self._has_head
