"""HTTP/1.1: responses compared with h11's, and connections."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import pytest
from gateway.aws_service import tls_context
from gateway.http_client import ConnectError, HttpClient, HttpError, ResponseParser
from hypothesis import given
from hypothesis import strategies as st

from tests.support.patience import HANG_SECONDS

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
BODIES = st.lists(st.binary(min_size=1, max_size=60), max_size=6)
CUTS = st.lists(st.integers(0, 10_000), max_size=40)


def chunked(parts: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = b"".join(b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts)
    return b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n" + trailers + b"\r\n"


def with_length(parts: list[bytes]) -> bytes:
    body = b"".join(parts)
    return b"Content-Length:%d\r\n\r\n" % len(body) + body


RESPONSES = st.tuples(
    st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n"]),
    st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 424 \r\n", b"HTTP/1.0 500 Failed\r\n"]),
    st.sampled_from(
        [b"", b"Connection: close\r\n", b"X-A:  b \t\r\nX-a: c\r\n", b"connection: Keep-Alive\r\n"]
    ),
    st.one_of(
        BODIES.map(with_length),
        BODIES.map(chunked),
        BODIES.map(lambda parts: chunked(parts, b";a=b")),
        BODIES.map(lambda parts: chunked(parts, b"", b"x-checksum: 1\r\nx-b: 2\r\n")),
        BODIES.map(lambda parts: b"\r\n" + b"".join(parts)),
    ),
).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True)]


def parsed(parts: list[bytes]) -> Any:
    parser = ResponseParser()
    try:
        body = b"".join(parser.feed(part) for part in parts)
        reusable = parser.complete and parser.reusable
        if not parser.complete:
            parser.end()
    except HttpError:
        return "error"
    return parser.status, parser.headers, body, reusable


def parsed_by_h11(data: bytes) -> Any:
    connection = h11.Connection(h11.CLIENT)
    request = h11.Request(method="POST", target="/", headers=[("host", "h"), ("content-length", "0")])
    connection.send(request)
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    head, body = None, b""
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError:
        return "error"
    assert head is not None
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    # h11 knows that the connection is closed, which ends responses without a length.
    framed = not headers.keys().isdisjoint({"content-length", "transfer-encoding"})
    finished = connection.our_state is connection.their_state is h11.DONE
    reusable = framed and finished and connection.trailing_data[0] == b""
    return head.status_code, headers, body, reusable


@given(RESPONSES, CUTS)
def test_responses_split_anywhere_are_those_of_h11(data: bytes, places: list[int]) -> None:
    expected = parsed_by_h11(data)
    assert parsed(cut(data, places)) == expected


@given(RESPONSES, CUTS, st.integers(0))
def test_truncated_responses_are_errors_as_in_h11(data: bytes, places: list[int], end: int) -> None:
    data = data[: end % len(data)]
    if not data:
        return
    assert parsed(cut(data, places)) == parsed_by_h11(data)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200\r\n\r\n",
        b"220 smtp.example\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nname : value\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x1\r\na\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000,
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n",
    ],
)
def test_other_protocols_are_errors_at_once(data: bytes) -> None:
    with pytest.raises(HttpError):
        ResponseParser().feed(data)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve, **options: Any) -> AsyncIterator[int]:
    """A server, whose connections are closed when `serve` returns; yields its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(reader, writer)
        writer.close()

    running = await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


def run(scenario: Awaitable[Any]) -> Any:
    return asyncio.run(asyncio.wait_for(scenario, HANG_SECONDS))  # type: ignore[arg-type]


async def ask(client: HttpClient) -> bytes:
    response = await client.send(b"GET / HTTP/1.1\r\n\r\n")
    await response.head()
    body = b""
    while part := await response.read():
        body += part
    return body


def test_connections_are_reused() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)

    async def scenario() -> None:
        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            assert [await ask(client) for _ in range(3)] == [b"hi"] * 3
            assert connections == 1
            assert await asyncio.gather(*(ask(client) for _ in range(3))) == [b"hi"] * 3
            assert connections == 3

    run(scenario())


@pytest.mark.parametrize("response", [OK + b"more", OK.replace(b"OK", b"OK\r\nconnection: close")])
def test_doubtful_connections_are_not_reused(response: bytes) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            await reader.readline()
            writer.write(response)

    async def scenario() -> None:
        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            assert [await ask(client) for _ in range(3)] == [b"hi"] * 3
            assert connections == 3

    run(scenario())


@pytest.mark.parametrize(("limit", "value"), [("_IDLE_SECONDS", -1), ("_IDLE_CONNECTIONS", 0)])
def test_idle_connections_are_limited(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(f"gateway.http_client.{limit}", value)
    connections = closed = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections, closed
        connections += 1
        while await reader.readline():
            await reader.readline()
            writer.write(OK)
        closed += 1

    async def scenario() -> None:
        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            assert [await ask(client) for _ in range(3)] == [b"hi"] * 3
            assert connections == 3
            while closed < 2:
                await asyncio.sleep(0)

    run(scenario())


def test_closed_connections_are_not_reused() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async def scenario() -> None:
        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            for _ in range(3):
                closed.clear()
                assert await ask(client) == b"hi"
                await closed.wait()

    run(scenario())


def test_a_connection_whose_request_is_not_sent_is_not_reused() -> None:
    """The server responds to the head of a large request, and does not read the rest."""
    end = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(OK)
        await end.wait()

    async def scenario() -> None:
        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            response = await client.send(b"POST / HTTP/1.1\r\n\r\n" + bytes(32 * 1024 * 1024))
            assert await response.read() == b"hi"
            assert await asyncio.wait_for(ask(client), 5) == b"hi"
            end.set()

    run(scenario())


def test_a_reset_connection_does_not_end_a_body_without_length() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhi")
        # A reset in place of the end.
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await reader.read(1)

    async def scenario() -> None:
        async with server(serve) as port:
            response = await HttpClient("127.0.0.1", port, None).send(b"GET / HTTP/1.1\r\n\r\n")
            assert await response.read() == b"hi"
            response._connection.transport.write(b"x")
            with pytest.raises(HttpError):
                await response.read()

    run(scenario())


def test_another_address_is_tried_if_one_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VPC endpoint has an address in each availability zone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()

        async def addresses(*_: Any, **__: Any) -> Any:
            kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

        connect = loop.sock_connect

        async def sock_connect(sock: socket.socket, address: Any) -> None:
            if address[0] == "127.0.0.2":
                await asyncio.Event().wait()
            await connect(sock, address)

        monkeypatch.setattr(loop, "sock_connect", sock_connect)
        async with server(serve) as port:
            monkeypatch.setattr(loop, "getaddrinfo", addresses)
            assert await ask(HttpClient("runtime.example", port, None)) == b"hi"

    run(scenario())


def test_a_connection_closed_during_a_freeze_is_not_reused() -> None:
    """The event loop has not seen the end of the connection yet when the next request arrives."""

    async def scenario() -> None:
        closed: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            closed.append(writer)
            await reader.read()

        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            assert await ask(client) == b"hi"
            # At once, without a turn of the loop in which it would read the end.
            closed[0].transport.get_extra_info("socket").shutdown(2)
            assert await ask(client) == b"hi"
            assert len(closed) == 2

    run(scenario())


def test_other_requests_survive_the_late_close_of_a_response() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)

    async def scenario() -> None:
        async with server(serve) as port:
            client = HttpClient("127.0.0.1", port, None)
            first = await client.send(b"GET / HTTP/1.1\r\n\r\n")
            while await first.read():
                continue
            second = await client.send(b"GET / HTTP/1.1\r\n\r\n")
            first.close()
            assert await second.read() == b"hi"

    run(scenario())


def test_a_client_that_does_not_read_stops_the_server() -> None:
    # More than the buffers of the system, ours and asyncio's together.
    size = 32 * 1024 * 1024

    async def scenario() -> None:
        sent = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.set_write_buffer_limits(0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
            writer.write(bytes(size))
            await writer.drain()
            sent.set()

        async with server(serve) as port:
            response = await HttpClient("127.0.0.1", port, None).send(b"GET / HTTP/1.1\r\n\r\n")
            await response.head()
            while response._connection.transport.is_reading() and not sent.is_set():
                await asyncio.sleep(0)
            assert not sent.is_set(), "everything is in memory"
            received = 0
            while part := await response.read():
                received += len(part)
            assert received == size

    run(scenario())


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for the server `name`, signed by itself, and its key."""
    file, key = folder / f"{name}.pem", folder / f"{name}.key"
    options = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(
        ["openssl", "req", *options, *names, "-out", file, "-keyout", key], check=True, capture_output=True
    )
    return file, key


@pytest.mark.parametrize(
    ("name", "trusted", "accepted"),
    [("localhost", True, True), ("localhost", False, False), ("other.example", True, False)],
)
def test_certificates_are_verified(tmp_path: Path, name: str, trusted: bool, accepted: bool) -> None:
    file, key = certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        async with server(serve, ssl=context) as port:
            client = HttpClient(
                "localhost", port, tls_context({"AWS_CA_BUNDLE": str(file)} if trusted else {})
            )
            if accepted:
                assert await ask(client) == b"hi"
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    await ask(client)

    run(scenario())


def test_an_unanswered_handshake_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http_client._CONNECT_SECONDS", 0.05)
    end = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await end.wait()

    async def scenario() -> None:
        async with server(serve) as port:
            with pytest.raises(ConnectError):
                await HttpClient("127.0.0.1", port, ssl.create_default_context()).send(b"")
            end.set()

    run(scenario())
