"""What keeps the cloud to itself: loopback only, no use by web pages, a log that does not grow for ever."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MAX_LOG_BYTES = 5_000_000
# What a deployed API answers is for its callers, browsers included.
_OPEN_TO_BROWSERS = "/_aws/execute-api/"


class LoopbackOnlyMiddleware:
    """ASGI middleware that refuses what a web page in the user's browser sends.

    The cloud has no secrets to check, and creating a function is running code. A page can reach
    127.0.0.1, but it cannot leave out the Origin header where it matters, nor forge the Host header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_OPEN_TO_BROWSERS):
            headers = Headers(scope=scope)
            if "origin" in headers or not _is_loopback_name(headers.get("host", "")):
                refusal = PlainTextResponse("the embedded cloud answers no web pages\n", status_code=403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_loopback_name(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    # S3 clients may put the bucket in front.
    return name in ("127.0.0.1", "localhost") or name.endswith((".localhost", ".127.0.0.1"))


def refuse_outgoing_connections() -> None:
    """From now on this process can open connections to loopback addresses only, whatever library tries."""
    sys.addaudithook(_check_connection)


def _check_connection(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        # Looking a name up is a question to the network, too.
        host = arguments[0]
    else:
        return
    if host and not _is_loopback_address(host if isinstance(host, str) else host.decode()):
        raise PermissionError(f"the embedded cloud connects to loopback addresses only, not to {host}")


def _is_loopback_address(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def configure_logging(file: Path) -> None:
    """Log to standard error, which the client made `file`, and keep that file bounded."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[_BoundedHandler(file)],
    )


class _BoundedHandler(logging.StreamHandler[Any]):
    """Moves the log's content away when it has grown large.

    By copying and emptying rather than renaming: standard output and error of this process, also what
    libraries in C write, are open on this file (for appending, so that they go on at its new end).
    """

    def __init__(self, file: Path) -> None:
        super().__init__(sys.stderr)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if os.fstat(2).st_size > MAX_LOG_BYTES and self._file.exists():
            self._file.with_suffix(".log.1").write_bytes(self._file.read_bytes())
            os.truncate(self._file, 0)
