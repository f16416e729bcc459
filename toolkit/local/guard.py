"""Limits of the cloud's process: loopback connections only, no access for web pages, a bounded log."""

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

from toolkit.local.awsapi import BASE_PATH, EXECUTE_API

MAX_LOG_BYTES = 5_000_000


class LoopbackOnlyMiddleware:
    """ASGI middleware that refuses requests from web pages, except to deployed APIs.

    A page has no access key either, but deployed APIs may ask for none. It can reach 127.0.0.1, but it can
    neither omit the Origin header of such a request nor, after DNS rebinding, forge the Host header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_allowed(scope):
            refusal = PlainTextResponse("the embedded cloud refuses requests from web pages\n", 403)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_allowed(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if not _is_loopback_name(headers.get("host", "")) and BASE_PATH not in scope:
        return False
    return "origin" not in headers or scope["path"].startswith(f"{EXECUTE_API}/")


def _is_loopback_name(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    # S3 clients may prepend the bucket.
    return name in ("127.0.0.1", "localhost") or name.endswith((".localhost", ".127.0.0.1"))


def refuse_outgoing_connections() -> None:
    """Restrict this process to connections to loopback addresses, in any library."""
    sys.addaudithook(_check_connection)


def _check_connection(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        # A DNS lookup uses the network too.
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
    """Log to standard error, which the client redirects to `file`, and bound the size of that file."""
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[_BoundedHandler(file)],
    )


class _BoundedHandler(logging.StreamHandler[Any]):
    """Rotates the log when it is large.

    It copies and truncates the file instead of renaming it, because standard output and error of this
    process, which C libraries write to as well, stay open on the file, for appending.
    """

    def __init__(self, file: Path) -> None:
        super().__init__(sys.stderr)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if os.fstat(2).st_size > MAX_LOG_BYTES and self._file.exists():
            self._file.with_suffix(".log.1").write_bytes(self._file.read_bytes())
            os.truncate(self._file, 0)
