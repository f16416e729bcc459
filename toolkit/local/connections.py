"""Connections to servers on this machine, in half the time of asyncio's `create_connection`."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import TypeVar

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)

_CONNECTED = (0, errno.EISCONN)


async def connect(
    create_protocol: Callable[[], _Protocol], host: str, port: int
) -> tuple[asyncio.Transport, _Protocol]:
    """Connect to a loopback address.

    Raises:
        OSError: no server listens there.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY.
    connection = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connection.setblocking(False)
        # The kernel completes the handshake during the first call, but only the second one says so.
        if connection.connect_ex((host, port)) and connection.connect_ex((host, port)) not in _CONNECTED:
            await loop.sock_connect(connection, (host, port))
        return await loop.create_connection(create_protocol, sock=connection)
    except BaseException:
        connection.close()
        raise
