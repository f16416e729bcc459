"""A front that gives a local OpenAI-compatible server the paths of a SageMaker container.

AWS's own images do the same with nginx. Here the request is read and understood, and from then on the
two connections are joined: what the server sends is passed on byte by byte, unparsed, so that the cost
of a streamed token is one copy.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import httptools

MAX_BODY_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Call:
    """A request, complete."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Refusal:
    """What to answer without asking the server."""

    status: int
    message: str


@dataclass(frozen=True)
class Upstream:
    """The server behind the relay.

    Attributes:
        host: loopback.
        port: where it listens.
        prefix: of its OpenAI API, such as `/v1`.
        health: path that it answers with 200 when it can serve.
        model: name that it knows the model by; None if it serves one and takes any.
    """

    host: str
    port: int
    prefix: str
    health: str
    model: str | None = None

    def translate(self, call: Call) -> Call | Refusal:
        """What to ask the server for a request to the container."""
        path = call.target.partition("?")[0]
        if path == "/ping":
            return replace(call, target=self.health)
        if path != "/invocations":
            return Refusal(404, f"a SageMaker container has /ping and /invocations, not {path}")
        if call.method != "POST":
            return Refusal(405, "invocations are sent with POST")
        return self._translate_invocation(call)

    def _translate_invocation(self, call: Call) -> Call | Refusal:
        try:
            payload = json.loads(call.body)
        except ValueError as error:
            return Refusal(400, f"the request is not JSON: {error}")
        operation = _operation(payload)
        if operation is None:
            return Refusal(400, "the request has neither `messages` nor `prompt` nor `input`")
        body = call.body
        if self.model is not None:
            body = json.dumps({**payload, "model": self.model}).encode()
        return replace(call, target=f"{self.prefix}/{operation}", body=body)


def _operation(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return None
    for member, operation in (
        ("messages", "chat/completions"),
        ("prompt", "completions"),
        ("input", "embeddings"),
    ):
        if member in payload:
            return operation
    return None


async def serve(port: int, upstream: Callable[[], Upstream | None]) -> asyncio.Server:
    """Listen on 127.0.0.1.

    Args:
        port: where.
        upstream: the server to relay to; None while it is not ready, then everything is refused with 503.

    Raises:
        OSError: the port is taken.
    """
    loop = asyncio.get_running_loop()
    # Of more callers at once than wait here the system takes none, and they try again seconds later.
    return await loop.create_server(lambda: _Front(upstream), "127.0.0.1", port, backlog=1024)


class _Front(asyncio.Protocol):
    """A caller's connection, which carries one request; the parser calls its `on_…` methods."""

    def __init__(self, upstream: Callable[[], Upstream | None]) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._over = False
        self._back: asyncio.Transport | None = None
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._closed = True
        if self._back is not None:
            # The caller has gone: the server notices its closed connection and stops the work.
            self._back.abort()

    def pause_writing(self) -> None:
        if self._back is not None:
            self._back.pause_reading()

    def resume_writing(self) -> None:
        if self._back is not None:
            self._back.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse(Refusal(400, str(error)))

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY_BYTES and not self._over:
            self._refuse(Refusal(413, f"the request is larger than {MAX_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        if not self._over:
            self._over = True
            method, target = self._parser.get_method().decode("latin1"), self._target.decode("latin1")
            call = Call(method, target, tuple(self._headers), bytes(self._body))
            self._task = asyncio.get_running_loop().create_task(self._relay(call))

    async def _relay(self, call: Call) -> None:
        upstream = self._upstream()
        if upstream is None:
            self._refuse(Refusal(503, "the model is being loaded"))
            return
        translated = upstream.translate(call)
        if isinstance(translated, Refusal):
            self._refuse(translated)
            return
        loop = asyncio.get_running_loop()
        try:
            self._back, _ = await loop.create_connection(
                lambda: _Back(self, _encode(translated, upstream)), upstream.host, upstream.port
            )
        except OSError as error:
            self._refuse(Refusal(502, f"{upstream.host}:{upstream.port} does not answer: {error}"))
            return
        if self._closed:
            self._back.abort()

    def _refuse(self, refusal: Refusal) -> None:
        self._over = True
        body = json.dumps({"error": {"message": refusal.message, "code": refusal.status}}).encode()
        head = (
            f"HTTP/1.1 {refusal.status} \r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("latin1") + body)
        self.transport.close()


class _Back(asyncio.Protocol):
    """The connection to the server; closed by it at the end of its answer."""

    def __init__(self, front: _Front, request: bytes) -> None:
        self._front = front
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._front.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            _reset(self._front.transport)
        else:
            self._front.transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """Break a connection off, so that a cut answer does not look like a whole one to who reads to the end."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


_SET_HERE = (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"accept-encoding")


def _encode(call: Call, upstream: Upstream) -> bytes:
    lines = [
        f"{call.method} {call.target} HTTP/1.1".encode("latin1"),
        f"Host: {upstream.host}:{upstream.port}".encode("latin1"),
        f"Content-Length: {len(call.body)}".encode("latin1"),
        # The end of the answer is the end of the connection: nobody has to find it.
        b"Connection: close",
    ]
    lines += [name + b": " + value for name, value in call.headers if name not in _SET_HERE]
    return b"\r\n".join(lines) + b"\r\n\r\n" + call.body
