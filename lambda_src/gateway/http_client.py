"""HTTP/1.1 over asyncio to one server: responses as they arrive, over connections that stay open."""

from __future__ import annotations

import asyncio
import re
import select
import ssl
import time
from math import inf
from typing import Final

_CONNECT_SECONDS: Final = 5
# As in RFC 8305: a VPC endpoint has an address in each availability zone, and one of them may not respond.
_NEXT_ADDRESS_SECONDS: Final = 0.25
# Time without data, just below API Gateway's limit of 5 minutes, so that the client gets the reason.
_SILENCE_SECONDS: Final = 290
# AWS's NAT gateways and load balancers drop idle connections after 350 s, some of them without telling.
_IDLE_SECONDS: Final = 300
_IDLE_CONNECTIONS: Final = 50
_MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_LINE_BYTES: Final = 4 * 1024
# More than most responses; a client that reads slower than the model writes must not fill the memory.
_MAX_BUFFER_BYTES: Final = 1024 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
# A chunk ends with a line break, so that the next chunk's size follows it.
_NEXT_SIZE: Final = re.compile(rb"\r\n" + _SIZE.pattern)


class HttpError(Exception):
    """The connection failed, or the server does not speak HTTP/1.1."""


class ConnectError(HttpError):
    """The server cannot be reached."""


class SilenceError(HttpError):
    """The server has sent nothing for a long time."""


class ResponseParser:
    """One response, from the bytes of a connection.

    Attributes:
        status: 0 until the head has arrived.
        headers: by lower-case name.
        complete: whether the whole response has arrived.
        reusable: whether the connection can take another request after it.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False
        self.reusable = False
        self._rest = b""
        self._chunked = False
        # Bytes until the end of the body, or of the chunk; None: the body ends with the connection.
        self._remaining: int | None = None
        self._size = _SIZE
        self._trailers = False

    def feed(self, data: bytes) -> bytes:
        """The part of the body that `data` contains.

        Raises:
            HttpError: this is not HTTP/1.1.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        while not self.status:
            head, end, data = data.partition(b"\r\n\r\n")
            if len(head) > _MAX_HEAD_BYTES:
                raise HttpError("the response's head is too long")
            if not end:
                self._rest = head
                return b""
            self._parse_head(head)
        if self._chunked and not self.complete:
            return self._chunks(data)
        if self._remaining is None:
            return data
        body = data[: self._remaining]
        self._remaining -= len(body)
        if not self._remaining:
            self._finish(data[len(body) :])
        return body

    def end(self) -> None:
        """The connection was closed.

        Raises:
            HttpError: the response is not complete.
        """
        self.reusable = False
        if self.status and not self._chunked and self._remaining is None:
            self.complete = True
        if not self.complete:
            raise HttpError("the connection was closed before the end of the response")

    def _finish(self, extra: bytes) -> None:
        self.complete = True
        if extra:
            self.reusable = False

    def _parse_head(self, head: bytes) -> None:
        status, *lines = head.split(b"\r\n")
        match = _STATUS.fullmatch(status)
        if match is None:
            raise HttpError("the response is not HTTP/1.1")
        if match[2].startswith(b"1"):
            return
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not _NAME.fullmatch(name):
                raise HttpError("the response has an invalid header")
            key, text = name.decode().lower(), value.strip(b" \t").decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text
        self.status = int(match[2])
        options = re.split(r"[ \t,]+", self.headers.get("connection", "").lower())
        self.reusable = match[1] == b"1" and "close" not in options
        coding, length = self.headers.get("transfer-encoding"), self.headers.get("content-length")
        if coding is not None:
            if coding.lower() != "chunked":
                raise HttpError("the response has an unknown transfer encoding")
            self._chunked, self._remaining = True, 0
        elif self.status in (204, 304):
            self._remaining = 0
        elif length is not None:
            if not re.fullmatch("[0-9]{1,15}", length):
                raise HttpError("the response has an invalid length")
            self._remaining = int(length)

    def _chunks(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        at = 0
        while not self._trailers:
            if self._remaining:
                part = data[at : at + self._remaining]
                parts.append(part)
                at += len(part)
                self._remaining -= len(part)
                self._size = _NEXT_SIZE
                if self._remaining:
                    return b"".join(parts)
            match = self._size.match(data, at)
            if match is None:
                rest = data[at:]
                line_break, line = (rest[:2], rest[2:]) if self._size is _NEXT_SIZE else (b"", rest)
                if b"\n" in line or not b"\r\n".startswith(line_break):
                    raise HttpError("the response has an invalid chunk")
                self._keep(rest)
                return b"".join(parts)
            at = match.end()
            self._remaining = int(match[1], 16)
            self._trailers = not self._remaining
        rest = data[at:]
        if rest.startswith(b"\r\n"):
            self._finish(rest[2:])
        elif b"\r\n\r\n" in rest:
            self._finish(rest.partition(b"\r\n\r\n")[2])
        else:
            self._keep(rest)
        return b"".join(parts)

    def _keep(self, rest: bytes) -> None:
        if len(rest) > _MAX_LINE_BYTES:
            raise HttpError("the response has a line that is too long")
        self._rest = rest


class Response:
    """The response to one request, as it arrives.

    Args:
        connection: the connection that has sent the request.
    """

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._loop = connection.loop
        self._parser = ResponseParser()
        self._body: list[bytes] = []
        self._buffered = 0
        self._error: HttpError | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self._heard_at = self._loop.time()

    @property
    def status(self) -> int:
        """The status; 0 until the head has arrived."""
        return self._parser.status

    @property
    def headers(self) -> dict[str, str]:
        """The headers, by lower-case name."""
        return self._parser.headers

    async def head(self, seconds: float = inf) -> bool:
        """Wait for status and headers; False if they do not arrive in time.

        Raises:
            HttpError: the connection failed.
        """
        while not self._parser.status:
            if not await self._wait(seconds):
                return False
        return True

    async def read(self, seconds: float = inf) -> bytes | None:
        """The bytes of the body that have arrived; empty at its end, None if none arrive in time.

        Raises:
            HttpError: the connection failed.
        """
        while not self._body:
            if self._parser.complete:
                return b""
            if not await self._wait(seconds):
                return None
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        if self._buffered > _MAX_BUFFER_BYTES and not self._parser.complete:
            self._connection.transport.resume_reading()
            self._heard_at = self._loop.time()
        self._buffered = 0
        return body

    async def _wait(self, seconds: float) -> bool:
        """Wait for data; False if none arrives in time."""
        if self._error is not None:
            raise self._error
        silence = self._heard_at + _SILENCE_SECONDS - self._loop.time()
        if silence <= 0:
            self.fail(SilenceError("the server has stopped sending"))
            return True
        self._waiter = self._loop.create_future()
        limit = min(seconds, silence)
        timer = self._loop.call_later(limit, self._wake, False)
        try:
            # The timer of the silence counts as data: the next call raises its error.
            return await self._waiter or limit == silence
        finally:
            timer.cancel()
            self._waiter = None

    def receive(self, data: bytes) -> None:
        """The connection has received `data`."""
        self._heard_at = self._loop.time()
        try:
            body = self._parser.feed(data)
        except HttpError as error:
            self.fail(error)
            return
        if body:
            self._body.append(body)
            self._buffered += len(body)
        if self._parser.complete:
            self._connection.release(reusable=self._parser.reusable)
        elif self._buffered > _MAX_BUFFER_BYTES:
            self._connection.transport.pause_reading()
        self._wake(True)

    def end(self, lost: Exception | None) -> None:
        """The connection was closed, or lost, which does not end a body without length."""
        if lost is not None:
            self.fail(HttpError(type(lost).__name__))
        elif self._error is None:
            try:
                self._parser.end()
            except HttpError as error:
                self._error = error
        self._wake(True)

    def fail(self, error: HttpError) -> None:
        """End the response, and the connection at once."""
        if not self._parser.complete:
            self._error = self._error or error
            self._connection.transport.abort()
            self._wake(True)

    def close(self) -> None:
        """Close the connection at once, unless the response is complete."""
        self.fail(HttpError("the response was closed"))

    def _wake(self, arrived: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(arrived)


class _Connection(asyncio.Protocol):
    """A connection with one request in progress, or idle."""

    transport: asyncio.Transport

    def __init__(self, idle: list[_Connection]) -> None:
        self.loop = asyncio.get_running_loop()
        self._idle = idle
        self._idle_since = 0.0
        self._response: Response | None = None

    def send(self, request: bytes) -> Response:
        """Send a request."""
        self._response = Response(self)
        self.transport.write(request)
        return self._response

    def release(self, *, reusable: bool) -> None:
        """The response is complete."""
        self._response = None
        if self.transport.get_write_buffer_size():
            # The server did not wait for the whole request, and may not read the rest.
            self.transport.abort()
        elif reusable and len(self._idle) < _IDLE_CONNECTIONS:
            self.transport.resume_reading()
            self._idle_since = time.time()
            self._idle.append(self)
        else:
            self.transport.close()

    def is_usable(self) -> bool:
        """Whether the server still keeps this idle connection.

        Asks the system: a function that was frozen has not read yet that the server closed it. Its monotonic
        clock may have stopped meanwhile, so the age is measured by the clock of the day.
        """
        if self.transport.is_closing() or not 0 <= time.time() - self._idle_since <= _IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio has connected."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - create_connection's is one
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """asyncio has read `data`."""
        if self._response is None:
            self.transport.abort()  # there was no request
        else:
            self._response.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio has closed the connection."""
        response, self._response = self._response, None
        if response is not None:
            response.end(exc)


class HttpClient:
    """Connections to one server.

    Args:
        host: its name or address.
        port: its TCP port.
        tls: verifies its certificate; None without TLS.
    """

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._idle: list[_Connection] = []

    async def send(self, request: bytes) -> Response:
        """Send a request over an idle connection, or over a new one.

        Raises:
            ConnectError: the server cannot be reached.
            ssl.SSLError: its certificate is not valid.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection.send(request)
            connection.transport.close()
        return (await self._connect()).send(request)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._idle),
                    self._host,
                    self._port,
                    ssl=self._tls,
                    happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
                )
        except ssl.SSLError:
            raise
        except OSError as error:
            raise ConnectError(type(error).__name__) from error
        return connection
