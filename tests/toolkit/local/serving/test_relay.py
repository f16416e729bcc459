from __future__ import annotations

import asyncio
import dataclasses
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


def container_request(target: str, payload: object = None, method: str = "POST") -> relay.ContainerRequest:
    return relay.ContainerRequest(method, target, (), json.dumps(payload).encode())


@pytest.mark.parametrize(
    ("payload", "target"),
    [
        ({"messages": []}, "/v1/chat/completions"),
        ({"prompt": "p"}, "/v1/completions"),
        ({"input": "i"}, "/v1/embeddings"),
        ({"query": "q", "documents": ["d"]}, "/v1/rerank"),
        ({"messages": [], "documents": ["d"]}, "/v1/chat/completions"),
        ({"text_1": "a", "text_2": "b"}, "/v1/score"),
    ],
)
def test_an_invocations_members_select_the_operation(payload: object, target: str) -> None:
    translated = OPENAI.translate(container_request("/invocations", payload))
    assert isinstance(translated, relay.ContainerRequest)
    assert translated.target == target
    assert json.loads(translated.body) == payload


@pytest.mark.parametrize("body", [b'{"prompt": "p"}', b'{"input": "i"}', b"[]", b"{", b""])
def test_one_operation_gets_every_invocation_unchanged(body: bytes) -> None:
    """As nginx in AWS's llama.cpp image."""
    chats = dataclasses.replace(OPENAI, only="chat")
    translated = chats.translate(relay.ContainerRequest("POST", "/invocations", (), body))
    assert isinstance(translated, relay.ContainerRequest)
    assert (translated.target, translated.body) == ("/v1/chat/completions", body)
    ping = chats.translate(container_request("/ping", method="GET"))
    assert isinstance(ping, relay.ContainerRequest)
    assert ping.target == "/health"


def test_a_ping_checks_the_servers_health() -> None:
    translated = OPENAI.translate(container_request("/ping", method="GET"))
    assert isinstance(translated, relay.ContainerRequest)
    assert (translated.method, translated.target) == ("GET", "/health")


def test_the_models_name_is_replaced() -> None:
    server = relay.Upstream("127.0.0.1", 1, "/api/v1", "/api/v1/models", model="llama3.2:1b")
    translated = server.translate(container_request("/invocations", {"model": "mine", "messages": []}))
    assert isinstance(translated, relay.ContainerRequest)
    assert translated.target == "/api/v1/chat/completions"
    assert json.loads(translated.body) == {"model": "llama3.2:1b", "messages": []}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (container_request("/invocations", {"question": "?"}), 400),
        (container_request("/invocations", ["messages"]), 400),
        (relay.ContainerRequest("POST", "/invocations", (), b"{"), 400),
        (container_request("/invocations", {"messages": []}, method="GET"), 405),
        (container_request("/v1/chat/completions", {"messages": []}), 404),
    ],
)
def test_invalid_container_requests_are_rejected(request_: relay.ContainerRequest, status: int) -> None:
    rejection = OPENAI.translate(request_)
    assert isinstance(rejection, relay.Rejection)
    assert rejection.status == status


def relaying(
    serve: Serve,
    scenario: Callable[[int], Awaitable[None]],
    admission: Callable[[], relay.Admission | None] = lambda: None,
) -> None:
    """Run `scenario` with the port of a relay before a server that handles each connection with `serve`."""

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        target_server = relay.Upstream("127.0.0.1", port, "/v1", "/health", admission=admission())
        proxy = await relay.serve(0, lambda: target_server)
        async with server, proxy, asyncio.timeout(HANG_SECONDS):
            await scenario(proxy.sockets[0].getsockname()[1])

    asyncio.run(main())


class Held:
    """A server that responds once `proceed` is set, and counts the requests that it has at once."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.proceed = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.running += 1
        self.most = max(self.most, self.running)
        await self.proceed.wait()
        self.running -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()


async def statuses(port: int, count: int) -> list[int]:
    async def invoke() -> int:
        body = json.dumps({"messages": []}).encode()
        async with upstream.request(port, "POST", "/invocations", body=body) as response:
            await response.read()
            return response.status

    return await asyncio.gather(*(invoke() for _ in range(count)))


def test_requests_beyond_the_queue_are_refused_at_once() -> None:
    async def scenario() -> None:
        admission = relay.Admission(2, HANG_SECONDS)
        await admission.enter()
        await admission.enter()
        waiting = [asyncio.create_task(admission.enter()) for _ in range(2 * relay.QUEUE_FACTOR)]
        await asyncio.sleep(0)
        with pytest.raises(relay.OverloadedError):
            await admission.enter()
        # A client that gives up leaves its place to another.
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        waiting[0] = asyncio.create_task(admission.enter())
        for task in (*waiting[1:], waiting[0]):
            admission.leave()
            await task

    asyncio.run(scenario())


def test_requests_that_wait_too_long_are_refused() -> None:
    server = Held()

    async def scenario(port: int) -> None:
        first = asyncio.create_task(statuses(port, 1))
        while not server.running:
            await asyncio.sleep(0)
        assert await statuses(port, 3) == [429] * 3
        server.proceed.set()
        assert await first == [200]
        # The slots of the others are free again.
        while await statuses(port, 3) != [200] * 3:
            await asyncio.sleep(0)  # on a busy machine, one may wait too long

    relaying(server, scenario, lambda: relay.Admission(1, 0.05))


def test_parts_of_a_response_are_forwarded_at_once() -> None:
    proceed = asyncio.Event()
    request_heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request_heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await proceed.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def scenario(port: int) -> None:
        headers = [("Content-Type", "application/json"), ("X-Custom", "kept")]
        body = json.dumps({"messages": []}).encode()
        async with upstream.request(port, "POST", "/invocations", headers=headers, body=body) as response:
            assert await anext(response.parts) == b"one"
            proceed.set()
            assert [part async for part in response.parts] == [b"two"]
        assert request_heads[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"x-custom: kept" in request_heads[0].lower()
        assert (
            request_heads[0].lower().count(b"content-length")
            == request_heads[0].lower().count(b"\r\nhost:")
            == 1
        )

    relaying(serve, scenario)


def test_a_disconnected_client_stops_the_servers_work() -> None:
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
        async with upstream.request(port, "POST", "/invocations", body=b'{"prompt": ""}') as response:
            await anext(response.parts)
        await ended.wait()

    relaying(serve, scenario)


@pytest.mark.parametrize("length", [b"Content-Length: 100\r\n", b""])
def test_a_truncated_response_does_not_look_complete(length: bytes) -> None:
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
            async with upstream.request(port, "POST", "/invocations", body=b'{"prompt": ""}') as response:
                await response.read()

    relaying(serve, scenario)


def test_requests_get_503_until_the_server_is_ready() -> None:
    async def main() -> None:
        proxy = await relay.serve(0, lambda: None)
        async with proxy:
            port = proxy.sockets[0].getsockname()[1]
            async with upstream.request(port, "GET", "/ping") as response:
                assert response.status == 503
                assert "is loading" in json.loads(await response.read())["error"]["message"]

    asyncio.run(main())


def test_a_server_that_does_not_listen_is_a_bad_gateway() -> None:
    async def main() -> None:
        proxy = await relay.serve(0, lambda: relay.Upstream("127.0.0.1", 1, "/v1", "/health"))
        async with proxy:
            port = proxy.sockets[0].getsockname()[1]
            async with upstream.request(port, "GET", "/ping") as response:
                assert response.status == 502

    asyncio.run(main())


def test_a_body_beyond_the_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MAX_BODY_BYTES", 10)

    async def main() -> None:
        proxy = await relay.serve(0, lambda: OPENAI)
        async with proxy:
            port = proxy.sockets[0].getsockname()[1]
            async with upstream.request(port, "POST", "/invocations", body=b"x" * 11) as response:
                assert response.status == 413

    asyncio.run(main())


def test_invalid_http_is_rejected() -> None:
    async def main() -> None:
        proxy = await relay.serve(0, lambda: OPENAI)
        async with proxy:
            port = proxy.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
            writer.close()

    asyncio.run(main())
