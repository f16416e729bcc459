"""HTTP client for the cloud's child processes: model servers, and functions that are web servers.

Each request has its own connection, which costs a fraction of a millisecond on loopback. Parts of the
response are passed on as they arrive. A general client makes a streamed token several times more expensive.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import cast

import httptools

from toolkit.local.connections import connect

Header = tuple[str, str]

# Backpressure for the server if the caller reads slowly.
_MAX_PENDING_BYTES = 256 * 1024


class UpstreamError(ConnectionError):
    """The server closed the connection early, or its response is not HTTP."""


@dataclass(frozen=True)
class Response:
    """A response whose body may still be arriving.

    Attributes:
        status: the HTTP status.
        headers: names in lower case, without hop-by-hop headers.
        parts: the body as it arrives. Raises UpstreamError if it is incomplete.
    """

    status: int
    headers: list[Header]
    parts: AsyncIterator[bytes]

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), default)

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([part async for part in self.parts])


@contextlib.asynccontextmanager
async def request(
    port: int, method: str, target: str, *, headers: Sequence[Header] = (), body: bytes = b""
) -> AsyncIterator[Response]:
    """Send a request to a server on 127.0.0.1, and close the connection at the end of the block.

    Args:
        port: of the server.
        method: the HTTP method.
        target: path and query.
        headers: without Host, Content-Length and hop-by-hop headers, which are set here.
        body: the whole body.

    Raises:
        OSError: no server listens there.
        UpstreamError: the response is invalid or incomplete.
    """
    own = [("Host", f"127.0.0.1:{port}"), ("Content-Length", str(len(body))), ("Connection", "close")]
    own += [(name, value) for name, value in headers if name.lower() not in _SET_HERE]
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in own)]
    if any(character in line for line in lines for character in "\r\n"):
        raise ValueError("line break in a request header")
    head = "\r\n".join([*lines, "", ""]).encode("latin1")
    transport, connection = await connect(lambda: _Connection(has_body=method != "HEAD"), "127.0.0.1", port)
    try:
        transport.write(head + body)
        await connection.wait_for_head()
        yield Response(connection.status, connection.headers, connection.parts())
    finally:
        # Abort, so that a server that is still working notices at once.
        transport.abort()


_HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer")
_SET_HERE = ("host", "content-length", *_HOP_BY_HOP)


class _Connection(asyncio.Protocol):
    """One request's connection; the parser calls its `on_…` methods.

    Args:
        has_body: False for a HEAD request, whose response has a length but no body.
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
        """Wait for status and headers."""
        while not self._has_head:
            if self._error is not None:
                raise UpstreamError(self._error)
            await self._wait()

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body in parts, each with everything received since the last."""
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
            self._error = f"the response is not HTTP: {error}"
        if sum(map(len, self._pending)) > _MAX_PENDING_BYTES and self._transport is not None:
            self._transport.pause_reading()
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and self._has_head and self._ends_with_connection:
            self._ended = True
        elif not self._ended:
            self._error = self._error or f"the server closed the connection{f': {error}' if error else ''}"
        self._news.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        header = name.decode("latin1").lower()
        if header in ("content-length", "transfer-encoding"):
            self._ends_with_connection = False
        if header not in _HOP_BY_HOP:
            self.headers.append((header, value.decode("latin1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        # Interim responses such as 100 Continue precede the final one.
        self._has_head = self.status >= 200
        if not self._has_head:
            self.headers.clear()
        elif not self._has_body:
            self._ended = True

    def on_body(self, body: bytes) -> None:
        self._pending.append(body)

    def on_message_complete(self) -> None:
        self._ended = self._has_head
