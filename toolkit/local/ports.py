"""Ports for programs that must be told where to listen."""

from __future__ import annotations

import socket


def reserved_port() -> int:
    """A port of 127.0.0.1 that nobody is given who asks for any, for a minute.

    A connection on it is left in TIME_WAIT: the system keeps such ports out of those that it picks itself,
    while a server that asks for this very one (with SO_REUSEADDR, as servers do) gets it.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            # Who closes first is the one that waits.
            accepted.close()
            client.recv(1)
        port: int = listener.getsockname()[1]
        return port
