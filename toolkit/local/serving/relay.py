"""A proxy that gives a local OpenAI-compatible server the paths of a SageMaker container.

AWS's llama.cpp image does the same with nginx, which leads all invocations to one operation. Otherwise, the
members of a request select the operation, as docs/how-to/own-images.md says. The proxy parses such a request
and then forwards the server's bytes unparsed, so that a streamed token costs one copy.
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

from toolkit.local.connections import connect
from toolkit.serving.operations import Operation

MAX_BODY_BYTES = 32 * 1024 * 1024
# How long a request waits for the server. SageMaker cuts responses that do not begin within 60 seconds, so a
# request that waits longer would probably fail after the server has worked for it.
WAIT_SECONDS = 20.0
# Requests that wait, per request that the server processes at once.
QUEUE_FACTOR = 8


@dataclass(frozen=True)
class ContainerRequest:
    """A complete request."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Rejection:
    """An error response from the proxy itself."""

    status: int
    message: str


class OverloadedError(Exception):
    """Too many requests wait, or this one waited too long."""


class Admission:
    """Bounds the requests that a server without a bound processes and queues.

    Args:
        slots: requests that it processes at once.
        seconds: how long a request waits for a slot.
    """

    def __init__(self, slots: int, seconds: float = WAIT_SECONDS) -> None:
        self._slots = asyncio.Semaphore(slots)
        self._queue = asyncio.Semaphore(slots * (1 + QUEUE_FACTOR))
        self._seconds = seconds

    async def enter(self) -> None:
        """Wait for a slot; `leave` must follow.

        Raises:
            OverloadedError: there will be none soon.
        """
        if self._queue.locked():
            raise OverloadedError
        await self._queue.acquire()
        try:
            async with asyncio.timeout(self._seconds):
                await self._slots.acquire()
        except TimeoutError:
            self._queue.release()
            raise OverloadedError from None
        except BaseException:
            self._queue.release()
            raise

    def leave(self) -> None:
        """Release the slot."""
        self._slots.release()
        self._queue.release()


@dataclass(frozen=True)
class Upstream:
    """The server behind the proxy.

    Attributes:
        host: a loopback address.
        port: its port.
        prefix: the path of its OpenAI API, such as `/v1`.
        health: the path that returns 200 when the server is ready.
        model: the model's name on the server; None if it serves one model under any name.
        admission: bounds the invocations; None if the server does that itself.
        only: operation that gets all invocations, unparsed; None if their members select it.
    """

    host: str
    port: int
    prefix: str
    health: str
    model: str | None = None
    admission: Admission | None = None
    only: Operation | None = None

    def translate(self, request: ContainerRequest) -> ContainerRequest | Rejection:
        """Translate a request to the container into one to the server."""
        path = request.target.partition("?")[0]
        if path == "/ping":
            return replace(request, target=self.health)
        if path != "/invocations":
            return Rejection(404, f"a SageMaker container has /ping and /invocations, not {path}")
        if request.method != "POST":
            return Rejection(405, "invocations are sent with POST")
        return self._translate_invocation(request)

    def _translate_invocation(self, request: ContainerRequest) -> ContainerRequest | Rejection:
        if self.only is not None:
            return replace(request, target=f"{self.prefix}/{_PATHS[self.only]}")
        try:
            payload = json.loads(request.body)
        except (ValueError, RecursionError) as error:
            return Rejection(400, f"the request is not JSON: {error}")
        operation = _operation(payload)
        if operation is None:
            return Rejection(
                400, "the request has neither `messages` nor `prompt`, `input`, `documents` or `text_1`"
            )
        body = request.body
        if self.model is not None:
            body = json.dumps({**payload, "model": self.model}).encode()
        return replace(request, target=f"{self.prefix}/{_PATHS[operation]}", body=body)


_PATHS: dict[Operation, str] = {
    "chat": "chat/completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "rerank": "rerank",
    "score": "score",
}
_MEMBERS: dict[Operation, str] = {
    "chat": "messages",
    "completions": "prompt",
    "embeddings": "input",
    "rerank": "documents",
    "score": "text_1",
}


def _operation(payload: object) -> Operation | None:
    if not isinstance(payload, dict):
        return None
    return next((operation for operation, member in _MEMBERS.items() if member in payload), None)


async def serve(port: int, upstream: Callable[[], Upstream | None]) -> asyncio.Server:
    """Listen on 127.0.0.1.

    Args:
        port: the port.
        upstream: the server, or None while it is not ready: then every request gets a 503.

    Raises:
        OSError: the port is taken.
    """
    loop = asyncio.get_running_loop()
    # With a full backlog, the kernel drops connections, which clients retry seconds later.
    return await loop.create_server(lambda: _ClientConnection(upstream), "127.0.0.1", port, backlog=1024)


class _ClientConnection(asyncio.Protocol):
    """A client's connection with one request; the parser calls the `on_…` methods."""

    def __init__(self, upstream: Callable[[], Upstream | None]) -> None:
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._complete = False
        self._server: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._ended = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._closed = True
        if self._server is not None:
            # The client disconnected: closing the connection makes the server stop its work.
            self._server.abort()
        elif self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        if self._server is not None:
            self._server.pause_reading()

    def resume_writing(self) -> None:
        if self._server is not None:
            self._server.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._complete:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._reject(Rejection(400, str(error)))

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY_BYTES and not self._complete:
            self._reject(Rejection(413, f"the request is larger than {MAX_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        if not self._complete:
            self._complete = True
            method, target = self._parser.get_method().decode("latin1"), self._target.decode("latin1")
            request = ContainerRequest(method, target, tuple(self._headers), bytes(self._body))
            self._task = asyncio.get_running_loop().create_task(self._relay(request))

    async def _relay(self, request: ContainerRequest) -> None:
        upstream = self._upstream()
        if upstream is None:
            self._reject(Rejection(503, "the model is loading"))
            return
        translated = upstream.translate(request)
        if isinstance(translated, Rejection):
            self._reject(translated)
            return
        admission = upstream.admission if request.method == "POST" else None
        if admission is None:
            await self._connect(translated, upstream)
            return
        try:
            await admission.enter()
        except OverloadedError:
            self._reject(Rejection(429, "the model is overloaded"))
            return
        try:
            await self._connect(translated, upstream)
            await self._ended.wait()
        finally:
            admission.leave()

    async def _connect(self, request: ContainerRequest, upstream: Upstream) -> None:
        try:
            self._server, _ = await connect(
                lambda: _ServerConnection(self, _encode(request, upstream)), upstream.host, upstream.port
            )
        except OSError as error:
            self.end()
            self._reject(Rejection(502, f"{upstream.host}:{upstream.port} does not respond: {error}"))
            return
        if self._closed:
            self._server.abort()

    def end(self) -> None:
        """Note that the server has finished."""
        self._ended.set()

    def _reject(self, rejection: Rejection) -> None:
        self._complete = True
        body = json.dumps({"error": {"message": rejection.message, "code": rejection.status}}).encode()
        head = (
            f"HTTP/1.1 {rejection.status} \r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("latin1") + body)
        self.transport.close()


class _ServerConnection(asyncio.Protocol):
    """The connection to the server, which closes it at the end of the response."""

    def __init__(self, client: _ClientConnection, request: bytes) -> None:
        self._client = client
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        self._client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.end()
        if exc is not None:
            _reset(self._client.transport)
        else:
            self._client.transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """Reset a connection, so that the client does not take a truncated response for a complete one."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


_REPLACED = (
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"expect",
    b"accept-encoding",
)


def _encode(request: ContainerRequest, upstream: Upstream) -> bytes:
    lines = [
        f"{request.method} {request.target} HTTP/1.1".encode("latin1"),
        f"Host: {upstream.host}:{upstream.port}".encode("latin1"),
        f"Content-Length: {len(request.body)}".encode("latin1"),
        # The end of the connection is the end of the response: no parsing needed.
        b"Connection: close",
    ]
    lines += [name + b": " + value for name, value in request.headers if name not in _REPLACED]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body
