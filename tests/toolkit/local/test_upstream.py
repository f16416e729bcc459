from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import pytest

from tests.support.patience import HANG_SECONDS
from toolkit.local import upstream

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def against(serve: Serve, scenario: Callable[[int], Awaitable[None]]) -> None:
    """Run `scenario` with the port of a server that handles each connection with `serve`."""

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(HANG_SECONDS):
            await scenario(server.sockets[0].getsockname()[1])

    asyncio.run(main())


def test_request_and_response_are_complete() -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        received.append(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX-A: b\r\nConnection: close\r\n\r\nbody")
        await writer.drain()

    async def scenario(port: int) -> None:
        headers = [("X-C", "d"), ("Host", "elsewhere"), ("Content-Length", "99")]
        async with upstream.request(port, "POST", "/p?q=1", headers=headers, body=b"hello") as response:
            assert response.status == 201
            assert response.header("x-a") == "b"
            assert response.header("connection", "none") == "none"
            assert await response.read() == b"body"
        head = received[0].decode()
        assert head.startswith("POST /p?q=1 HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{port}" in head
        assert "Content-Length: 5" in head
        assert "X-C: d" in head
        assert "elsewhere" not in head
        assert received[1] == b"hello"

    against(serve, scenario)


def test_parts_are_passed_on_as_they_arrive() -> None:
    proceed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        # The second part is sent after the first was received.
        await proceed.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as response:
            assert await anext(response.parts) == b"one"
            proceed.set()
            assert [part async for part in response.parts] == [b"two"]

    against(serve, scenario)


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"not http at all\r\n\r\n",
    ],
)
def test_an_incomplete_response_is_an_error(response: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        writer.close()

    async def scenario(port: int) -> None:
        with pytest.raises(upstream.UpstreamError):
            async with upstream.request(port, "GET", "/") as parsed:
                await parsed.read()

    against(serve, scenario)


def test_leaving_the_block_closes_the_connection() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        closed.set()

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as response:
            await anext(response.parts)
        await closed.wait()

    against(serve, scenario)


def serving(response: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        # The connection stays open: the response itself marks its end.
        await reader.read()

    return serve


@pytest.mark.parametrize(
    ("method", "response", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    ],
)
def test_responses_without_a_body_end_with_their_head(method: str, response: bytes, status: int) -> None:
    async def scenario(port: int) -> None:
        async with upstream.request(port, method, "/") as parsed:
            assert parsed.status == status
            assert await parsed.read() == b""

    against(serving(response), scenario)


def test_without_a_length_the_response_ends_with_the_connection() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await writer.drain()
        writer.close()

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as response:
            assert await response.read() == b"all of it"

    against(serve, scenario)


def test_a_slow_reader_slows_the_server_down() -> None:
    sent = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(500):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 100_000

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as response:
            first = await anext(response.parts)
            # Without a reader, the server blocks long before the end.
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.2)
            assert sent < 25_000_000
            assert len(first) + len(await response.read()) == 50_000_000

    against(serve, scenario)


@pytest.mark.parametrize("headers", [[("A", "b\r\nC: d")], [("A\r\nC", "d")]])
def test_headers_cannot_contain_line_breaks(headers: list[upstream.Header]) -> None:
    async def scenario(port: int) -> None:
        with pytest.raises(ValueError, match="line break"):
            async with upstream.request(port, "GET", "/", headers=headers):
                pass

    against(serving(b""), scenario)


def test_a_refused_connection_is_an_os_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # Bound, but not listening.
        port = probe.getsockname()[1]

        async def scenario() -> None:
            async with upstream.request(port, "GET", "/"):
                pass

        with pytest.raises(ConnectionRefusedError):
            asyncio.run(scenario())
