from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.patience import HANG_SECONDS
from toolkit.local.connections import connect


class Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.received = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.received.set_result(data)


def test_bytes_pass_both_ways_without_delay() -> None:
    async def scenario() -> None:
        async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readexactly(2)).upper())

        async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
            transport, client = await connect(Client, *server.sockets[0].getsockname())
            transport.write(b"hi")
            assert await client.received == b"HI"
            connection = transport.get_extra_info("socket")
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            transport.abort()

    asyncio.run(scenario())


def test_a_port_without_server_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            asyncio.run(connect(asyncio.Protocol, *unused.getsockname()))


def test_a_server_with_a_full_queue_is_awaited() -> None:
    async def scenario() -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            address = server.getsockname()
            held = [socket.create_connection(address)]
            waiting = asyncio.create_task(connect(asyncio.Protocol, *address))
            # Meanwhile the event loop continues.
            await asyncio.sleep(0)
            for _ in range(2):
                held.append((await asyncio.to_thread(server.accept))[0])
            async with asyncio.timeout(HANG_SECONDS):
                transport, _ = await waiting
            transport.abort()
            for connection in held:
                connection.close()

    asyncio.run(scenario())
