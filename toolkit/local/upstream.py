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

import h11

_CHUNK_BYTES = 64 * 1024

Header = tuple[str, str]


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
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        connection = h11.Connection(h11.CLIENT)
        own = [("Host", f"127.0.0.1:{port}"), ("Content-Length", str(len(body))), ("Connection", "close")]
        own += [(name, value) for name, value in headers if name.lower() not in _SET_HERE]
        # h11 takes text for ASCII; a header may hold any of latin-1's characters.
        encoded = [(name.encode("latin1"), value.encode("latin1")) for name, value in own]
        writer.write(_encode(connection, h11.Request(method=method, target=target, headers=encoded), body))
        answer = await _next_event(connection, reader)
        while isinstance(answer, h11.InformationalResponse):
            answer = await _next_event(connection, reader)
        if not isinstance(answer, h11.Response):
            raise UpstreamError("the server sent no answer")
        kept = [
            (name.decode("latin1"), value.decode("latin1"))
            for name, value in answer.headers
            if name not in _HOP_BY_HOP
        ]
        yield Answer(answer.status_code, kept, _parts(connection, reader))
    finally:
        # Not a polite shutdown: a server that still works for us must notice at once.
        writer.transport.abort()


_HOP_BY_HOP = (b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"te", b"trailer")
_SET_HERE = ("host", "content-length", *(name.decode() for name in _HOP_BY_HOP))


def _encode(connection: h11.Connection, head: h11.Request, body: bytes) -> bytes:
    return b"".join(connection.send(event) or b"" for event in (head, h11.Data(body), h11.EndOfMessage()))


async def _parts(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        event = await _next_event(connection, reader)
        if isinstance(event, h11.Data):
            yield bytes(event.data)
        else:
            return


async def _next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Event | type:
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK_BYTES))
    except (h11.RemoteProtocolError, ConnectionError) as error:
        raise UpstreamError(f"the server broke off: {error}") from error
    return event
