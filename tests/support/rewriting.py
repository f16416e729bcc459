"""A proxy between a client and an API that reads each response to its end and may change it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.patience import HANG_SECONDS

_HOP_BY_HOP = {"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass
class Exchange:
    """A request, and the response that the client will get.

    Attributes:
        path: of the request.
        sent: body of the request.
        headers: of the request.
        status: of the response.
        received: headers of the response.
        body: of the response.
        chunked: whether the client gets the body in parts, without its length.
    """

    path: str
    sent: bytes
    headers: Mapping[str, str]
    status: int = 200
    received: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunked: bool = False


@contextmanager
def rewriting(
    origin: str,
    change: Callable[[Exchange], None],
    further_headers: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run a proxy in front of a server; yields its address.

    Args:
        origin: scheme, host and port of the server.
        change: called with each exchange before the client gets the response.
        further_headers: added to requests that lack them.
    """
    client = httpx.Client(base_url=origin, timeout=HANG_SECONDS, trust_env=False)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._forward()

        def do_POST(self) -> None:
            self._forward()

        def _forward(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP}
            response = client.request(
                self.command, self.path, content=sent, headers={**(further_headers or {}), **headers}
            )
            received = {key: value for key, value in response.headers.items() if key not in _HOP_BY_HOP}
            exchange = Exchange(self.path, sent, headers, response.status_code, received, response.content)
            change(exchange)
            self.send_response(exchange.status)
            for name, value in exchange.received.items():
                self.send_header(name, value)
            if exchange.chunked:
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self.wfile.write(f"{len(exchange.body):x}\r\n".encode() + exchange.body + b"\r\n0\r\n\r\n")
            else:
                self.send_header("content-length", str(len(exchange.body)))
                self.end_headers()
                self.wfile.write(exchange.body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        client.close()
