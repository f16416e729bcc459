"""An HTTP/1.1 client for load: parts of a response are noted at the moment they are read from the socket.

httpx and aiohttp hand each part from task to task before their caller can look at the clock, and take several
times the processor time for a token. The parser is httptools, which is written in C.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import urlsplit

import httptools

_CONNECT_SECONDS: Final = 30.0


class Sink(Protocol):
    """Receives a response while it arrives."""

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Receive status and headers; names are in lower case."""

    def part(self, at: float, data: bytes) -> None:
        """Receive the next bytes of the body, which arrived at a time of `time.perf_counter`."""

    def end(self, at: float) -> None:
        """Receive the end of the body."""


class DisconnectedError(Exception):
    """The server closed the connection before the end of a response.

    Attributes:
        silent: whether no byte of the response had arrived.
    """

    def __init__(self, reason: str, *, silent: bool) -> None:
        super().__init__(reason)
        self.silent = silent


class _Connection(asyncio.Protocol):
    """A connection, which serves one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None

    async def exchange(self, request: bytes, sink: Sink) -> None:
        """Send a request and read its response to the end.

        Raises:
            DisconnectedError: the response ended early, or is not HTTP.
        """
        assert self._transport is not None  # noqa: S101 - connected
        self._parser = httptools.HttpResponseParser(self)
        self._sink, self._headers, self._at = sink, dict[str, str](), 0.0
        self._silent, self._until_close = True, False
        self._done = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(request)
            await self._done
        except BaseException:
            self._transport.abort()
            raise
        finally:
            self._done = None

    @property
    def is_open(self) -> bool:
        """Whether it can take another request."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._at = time.perf_counter()
        self._silent = False
        if self._done is None:
            # Bytes after a response belong to none.
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            # An exception of the sink.
            if not self._done.done():
                self._done.set_exception(error.__context__ or error)
        except httptools.HttpParserError as error:
            self._fail(f"the response is not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and self._until_close and exc is None:
            self.on_message_complete()
        self._fail(str(exc) if exc else "the server closed the connection")

    def _fail(self, reason: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(DisconnectedError(reason, silent=self._silent))

    # Called by the parser.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        framed = {"content-length", "transfer-encoding"} & self._headers.keys()
        self._until_close = not framed
        self._sink.head(self._parser.get_status_code(), self._headers)

    def on_body(self, data: bytes) -> None:
        self._sink.part(self._at, data)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        if self._done is not None and not self._done.done():
            self._sink.end(self._at)
            self._done.set_result(None)


@dataclass
class Client:
    """Sends requests to one server, over open connections where there are any.

    Args:
        url: of the server; its path is not used.
        context: settings of TLS; None for plain HTTP.
    """

    url: str
    context: ssl.SSLContext | None = None
    _idle: list[_Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)

    async def send(self, request: bytes, sink: Sink) -> float | None:
        """Send a request and read its response to the end.

        Args:
            request: the whole request, with its head.
            sink: receives the response.

        Returns:
            The time to connect in seconds; None if it used an open connection.

        Raises:
            DisconnectedError: the response ended early, or is not HTTP.
            OSError: the server is out of reach.
        """
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_open:
                continue
            try:
                await self._exchange(connection, request, sink)
            except DisconnectedError as error:
                # The server may close an idle connection at the moment of the request.
                if not error.silent:
                    raise
            else:
                return None
        started = time.perf_counter()
        connection = await self._connect()
        seconds = time.perf_counter() - started
        await self._exchange(connection, request, sink)
        return seconds

    async def _exchange(self, connection: _Connection, request: bytes, sink: Sink) -> None:
        await connection.exchange(request, sink)
        if connection.is_open:
            self._idle.append(connection)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        server_hostname = self._host if self.context else None
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await loop.create_connection(
                _Connection, self._host, self._port, ssl=self.context, server_hostname=server_hostname
            )
        return connection

    def close(self) -> None:
        """Close the open connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()


def encode(method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole request.

    Args:
        method: such as `POST`.
        target: path and query.
        headers: with `Host`; the length is added.
        body: the content.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body
