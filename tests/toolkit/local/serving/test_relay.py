from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from tests.support.patience import HANG_SECONDS
from toolkit.local import upstream
from toolkit.local.serving import relay

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OPENAI = relay.Upstream("127.0.0.1", 1, prefix="/v1", health="/health")


def call(target: str, payload: object = None, method: str = "POST") -> relay.ContainerRequest:
    return relay.ContainerRequest(method, target, (), json.dumps(payload).encode())


@pytest.mark.parametrize(
    ("payload", "target"),
    [
        ({"messages": []}, "/v1/chat/completions"),
        ({"prompt": "p"}, "/v1/completions"),
        ({"input": "i"}, "/v1/embeddings"),
    ],
)
def test_an_invocation_goes_to_the_operation_that_its_members_tell(payload: object, target: str) -> None:
    translated = OPENAI.translate(call("/invocations", payload))
    assert isinstance(translated, relay.ContainerRequest)
    assert translated.target == target
    assert json.loads(translated.body) == payload


def test_a_ping_is_the_servers_health() -> None:
    translated = OPENAI.translate(call("/ping", method="GET"))
    assert isinstance(translated, relay.ContainerRequest)
    assert (translated.method, translated.target) == ("GET", "/health")


def test_the_model_gets_the_name_that_the_server_knows() -> None:
    server = relay.Upstream("127.0.0.1", 1, "/api/v1", "/api/v1/models", model="llama3.2:1b")
    translated = server.translate(call("/invocations", {"model": "mine", "messages": []}))
    assert isinstance(translated, relay.ContainerRequest)
    assert translated.target == "/api/v1/chat/completions"
    assert json.loads(translated.body) == {"model": "llama3.2:1b", "messages": []}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (call("/invocations", {"question": "?"}), 400),
        (call("/invocations", ["messages"]), 400),
        (relay.ContainerRequest("POST", "/invocations", (), b"{"), 400),
        (call("/invocations", {"messages": []}, method="GET"), 405),
        (call("/v1/chat/completions", {"messages": []}), 404),
    ],
)
def test_what_a_container_does_not_answer_is_refused(request_: relay.ContainerRequest, status: int) -> None:
    refusal = OPENAI.translate(request_)
    assert isinstance(refusal, relay.Rejection)
    assert refusal.status == status


def relaying(serve: Serve, scenario: Callable[[int], Awaitable[None]]) -> None:
    """Run `scenario` with the port of a relay before a server that handles each connection with `serve`."""

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        behind = relay.Upstream("127.0.0.1", port, "/v1", "/health")
        front = await relay.serve(0, lambda: behind)
        async with server, front, asyncio.timeout(HANG_SECONDS):
            await scenario(front.sockets[0].getsockname()[1])

    asyncio.run(main())


def test_parts_of_an_answer_are_passed_on_as_they_come() -> None:
    proceed = asyncio.Event()
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await proceed.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def scenario(port: int) -> None:
        headers = [("Content-Type", "application/json"), ("X-Custom", "kept")]
        body = json.dumps({"messages": []}).encode()
        async with upstream.request(port, "POST", "/invocations", headers=headers, body=body) as answer:
            assert await anext(answer.parts) == b"one"
            proceed.set()
            assert [part async for part in answer.parts] == [b"two"]
        assert heads[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"x-custom: kept" in heads[0].lower()
        assert heads[0].lower().count(b"content-length") == heads[0].lower().count(b"\r\nhost:") == 1

    relaying(serve, scenario)


def test_a_caller_that_goes_away_ends_the_servers_work() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        while not reader.at_eof() and not writer.is_closing():
            try:
                await reader.read(1024)
            except ConnectionError:
                break
        ended.set()

    async def scenario(port: int) -> None:
        async with upstream.request(port, "POST", "/invocations", body=b'{"prompt": ""}') as answer:
            await anext(answer.parts)
        await ended.wait()

    relaying(serve, scenario)


@pytest.mark.parametrize("length", [b"Content-Length: 100\r\n", b""])
def test_an_answer_that_breaks_off_does_not_look_whole(length: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\nshort")
        await writer.drain()
        # The connection is reset, not closed: the server died.
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async def scenario(port: int) -> None:
        with pytest.raises(upstream.UpstreamError):
            async with upstream.request(port, "POST", "/invocations", body=b'{"prompt": ""}') as answer:
                await answer.read()

    relaying(serve, scenario)


def test_until_the_server_is_ready_everything_is_refused() -> None:
    async def main() -> None:
        front = await relay.serve(0, lambda: None)
        async with front:
            port = front.sockets[0].getsockname()[1]
            async with upstream.request(port, "GET", "/ping") as answer:
                assert answer.status == 503
                assert "loaded" in json.loads(await answer.read())["error"]["message"]

    asyncio.run(main())


def test_a_server_that_does_not_listen_is_a_bad_gateway() -> None:
    async def main() -> None:
        front = await relay.serve(0, lambda: relay.Upstream("127.0.0.1", 1, "/v1", "/health"))
        async with front:
            port = front.sockets[0].getsockname()[1]
            async with upstream.request(port, "GET", "/ping") as answer:
                assert answer.status == 502

    asyncio.run(main())


def test_a_body_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MAX_BODY_BYTES", 10)

    async def main() -> None:
        front = await relay.serve(0, lambda: OPENAI)
        async with front:
            port = front.sockets[0].getsockname()[1]
            async with upstream.request(port, "POST", "/invocations", body=b"x" * 11) as answer:
                assert answer.status == 413

    asyncio.run(main())


def test_what_is_not_http_is_refused() -> None:
    async def main() -> None:
        front = await relay.serve(0, lambda: OPENAI)
        async with front:
            port = front.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
            writer.close()

    asyncio.run(main())
