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


def test_request_and_answer_arrive_whole() -> None:
    received: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        received.append(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX-A: b\r\nConnection: close\r\n\r\nbody")
        await writer.drain()

    async def scenario(port: int) -> None:
        headers = [("X-C", "d"), ("Host", "elsewhere"), ("Content-Length", "99")]
        async with upstream.request(port, "POST", "/p?q=1", headers=headers, body=b"hello") as answer:
            assert answer.status == 201
            assert answer.header("x-a") == "b"
            assert answer.header("connection", "none") == "none"
            assert await answer.read() == b"body"
        head = received[0].decode()
        assert head.startswith("POST /p?q=1 HTTP/1.1\r\n")
        assert f"Host: 127.0.0.1:{port}" in head
        assert "Content-Length: 5" in head
        assert "X-C: d" in head
        assert "elsewhere" not in head
        assert received[1] == b"hello"

    against(serve, scenario)


def test_parts_are_handed_on_as_they_come() -> None:
    proceed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        # The second part is sent only after the first was received.
        await proceed.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as answer:
            assert await anext(answer.parts) == b"one"
            proceed.set()
            assert [part async for part in answer.parts] == [b"two"]

    against(serve, scenario)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"not http at all\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_an_error(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async def scenario(port: int) -> None:
        with pytest.raises(upstream.UpstreamError):
            async with upstream.request(port, "GET", "/") as received:
                await received.read()

    against(serve, scenario)


def test_leaving_early_closes_the_connection() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        closed.set()

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as answer:
            await anext(answer.parts)
        await closed.wait()

    against(serve, scenario)


def serving(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        # The connection stays open: the end must be known from what was sent.
        await reader.read()

    return serve


@pytest.mark.parametrize(
    ("method", "answer", "status"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n", 304),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    ],
)
def test_answers_without_a_body_end_with_their_head(method: str, answer: bytes, status: int) -> None:
    async def scenario(port: int) -> None:
        async with upstream.request(port, method, "/") as received:
            assert received.status == status
            assert await received.read() == b""

    against(serving(answer), scenario)


def test_without_a_length_the_connections_end_is_the_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        await writer.drain()
        writer.close()

    async def scenario(port: int) -> None:
        async with upstream.request(port, "GET", "/") as answer:
            assert await answer.read() == b"all of it"

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
        async with upstream.request(port, "GET", "/") as answer:
            first = await anext(answer.parts)
            # Nothing is read for a while: the server gets stuck long before its end.
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.2)
            assert sent < 25_000_000
            assert len(first) + len(await answer.read()) == 50_000_000

    against(serve, scenario)


@pytest.mark.parametrize("headers", [[("A", "b\r\nC: d")], [("A\r\nC", "d")]])
def test_a_header_cannot_smuggle_another_one(headers: list[upstream.Header]) -> None:
    async def scenario(port: int) -> None:
        with pytest.raises(ValueError, match="line break"):
            async with upstream.request(port, "GET", "/", headers=headers):
                pass

    against(serving(b""), scenario)


def test_nobody_listening_is_an_os_error() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        # It does not listen, and while it is bound nobody else does.
        port = probe.getsockname()[1]

        async def scenario() -> None:
            async with upstream.request(port, "GET", "/"):
                pass

        with pytest.raises(ConnectionRefusedError):
            asyncio.run(scenario())
