from __future__ import annotations

import asyncio
import socket

from toolkit.local.server import listen


def test_accepted_connections_have_no_delay() -> None:
    """Nagle's algorithm would delay the second write of a response for 40 ms."""
    option: asyncio.Queue[int] = asyncio.Queue()

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        option.put_nowait(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def connect() -> int:
        async with await asyncio.start_server(connected, sock=listen(None)) as server:
            host, port = server.sockets[0].getsockname()
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return await option.get()

    assert asyncio.run(connect())


def test_a_taken_port_is_replaced() -> None:
    with listen(None) as first:
        first.listen()
        with listen(first.getsockname()[1]) as second:
            assert second.getsockname()[1] != first.getsockname()[1]
