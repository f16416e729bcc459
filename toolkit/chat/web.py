"""A chat on a web page, served on 127.0.0.1 (ADR 33).

The server adds the API key; the page has a random secret of this server instead, from the fragment of its
address. Pages of other sites and other users of this machine do not know it.
"""

from __future__ import annotations

import hmac
import http.server
import json
import os
import secrets
import socket
import socketserver
import sys
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from toolkit import documents
from toolkit.chat.session import Metrics, Request, Session, Settings
from toolkit.chat.terminal import MAX_PROMPT_BYTES
from toolkit.console import Console, printable
from toolkit.errors import InputError, ToolkitError
from toolkit.files import write_atomic
from toolkit.report.html import render_page

ADDRESS: Final = "127.0.0.1"
TEMPLATE: Final = Path(__file__).with_name("page.html.jinja")
# Seconds without data while a request arrives.
_TIMEOUT: Final = 30
_HEADERS: Final = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_POLICY: Final = (
    "default-src 'none'; connect-src 'self'; img-src data:; script-src 'nonce-{nonce}'; "
    "style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def listen(session: Session, settings: Settings, port: int) -> ChatServer:
    """Listen for requests of the page.

    Args:
        session: the models.
        settings: settings that the page begins with.
        port: TCP port; 0 for a free one.

    Raises:
        InputError: the port is in use, or not allowed.
    """
    try:
        return ChatServer(session, settings, port)
    except OSError as error:
        raise InputError(
            f"cannot listen on {ADDRESS}:{port}: {error.strerror}", remedy="choose another --port, or omit it"
        ) from None


def serve(server: ChatServer, console: Console, opener: Path | None = None) -> None:
    """Serve the page until Ctrl-C.

    Args:
        server: the server.
        console: prints the page's address.
        opener: a file to create, with which a browser opens the page; None to leave that to the user.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    console.line("serving the chat on this address; press Ctrl-C to end")
    console.data(server.url)
    with _opened(server.url, opener if _has_display() else None):
        server.serve_forever()


class ChatServer(socketserver.ThreadingTCPServer):
    """The server of the page; see `listen`.

    Attributes:
        session: the models.
        settings: settings that the page begins with.
        secret: the secret that requests must contain.
    """

    allow_reuse_address = True
    daemon_threads = True  # a response in progress ends with the process

    def __init__(self, session: Session, settings: Settings, port: int) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.session = session
        self.settings = settings
        self.secret = secrets.token_urlsafe(32)

    @property
    def hosts(self) -> list[str]:
        """Values of the header `host` of the page's own requests."""
        return [f"{name}:{self.server_address[1]}" for name in (ADDRESS, "localhost")]

    @property
    def url(self) -> str:
        """The page's address, with the secret, which browsers do not send."""
        return f"http://{self.hosts[0]}/#{self.secret}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a closed connection: the user stopped a response, or closed the page."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _RefusedError(Exception):
    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ChatServer
    timeout = _TIMEOUT
    server_version, sys_version = "toolkit", ""

    def do_GET(self) -> None:
        self._handle({"/": self._page, "/settings": self._settings})

    def do_POST(self) -> None:
        self._handle({"/chat": self._chat})

    def _handle(self, actions: dict[str, Callable[[], None]]) -> None:
        try:
            self._check_origin()
            # The page itself reveals nothing.
            if self.path != "/":
                self._check_secret()
            actions.get(self.path, self._missing)()
        except _RefusedError as refusal:
            self._send(refusal.status, "text/plain; charset=utf-8", f"{refusal}\n".encode())
            self._discard_rest()

    def _discard_rest(self) -> None:
        """Read what the client still sends: a connection closed before is reset, and loses the response."""
        self.connection.shutdown(socket.SHUT_WR)
        size = 0
        while size < 2 * MAX_PROMPT_BYTES and (data := self.rfile.read1(65536)):
            size += len(data)

    def _check_origin(self) -> None:
        """Refuse requests that pages of other sites send, also after DNS rebinding."""
        hosts, origins = (self.headers.get_all(name, []) for name in ("host", "origin"))
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            raise _RefusedError(
                HTTPStatus.FORBIDDEN, "unknown host: use the address that the command printed"
            )
        if origins not in ([], [f"http://{hosts[0]}"]):
            raise _RefusedError(HTTPStatus.FORBIDDEN, "requests from other sites are refused")

    def _check_secret(self) -> None:
        expected = f"Bearer {self.server.secret}"
        if not hmac.compare_digest(self.headers.get("authorization", "").encode(), expected.encode()):
            raise _RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "the secret is missing or wrong: use the address that the command printed",
            )

    def _missing(self) -> None:
        raise _RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = render_page(TEMPLATE, nonce=nonce).encode()
        policy = {"content-security-policy": _POLICY.format(nonce=nonce)}
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", page, **policy)

    def _settings(self) -> None:
        session = self.server.session
        settings = {
            "environment": session.environment.name,
            "models": session.models,
            **asdict(self.server.settings),
        }
        self._send(HTTPStatus.OK, "application/json", json.dumps(settings).encode())

    def _chat(self) -> None:
        """Send the events of a response, one JSON object per line, each as soon as it arrives."""
        request = self._request()
        self._begin(HTTPStatus.OK, "application/x-ndjson")
        for event in self._events(request):
            self.wfile.write(json.dumps(event).encode() + b"\n")

    def _events(self, request: Request) -> Iterator[dict[str, Any]]:
        events = self.server.session.respond(request)
        # If the page closes the connection, the next event cannot be written, and the model stops.
        with closing(events):
            try:
                for event in events:
                    if isinstance(event, Metrics):
                        yield {"end": event.line()}
                    else:
                        yield asdict(event)
            except ToolkitError as error:
                yield {"error": printable(str(error))}

    def _request(self) -> Request:
        size = self.headers.get("content-length", "")
        if not size.isdecimal() or self.headers.get("transfer-encoding"):
            raise _RefusedError(HTTPStatus.LENGTH_REQUIRED, "the request has no length")
        if int(size) > MAX_PROMPT_BYTES:
            raise _RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the conversation has more than {MAX_PROMPT_BYTES:,} bytes: begin a new one",
            )
        try:
            return documents.parse(self.rfile.read(int(size)), Request)
        except documents.DamagedError as damage:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, f"cannot read the request: {damage}") from None

    def _send(self, status: HTTPStatus, kind: str, body: bytes, **headers: str) -> None:
        self._begin(status, kind, **headers, **{"content-length": str(len(body))})
        self.wfile.write(body)

    def _begin(self, status: HTTPStatus, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-type": kind, **_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing: the terminal shows only the address."""


@contextmanager
def _opened(url: str, file: Path | None) -> Iterator[None]:
    """Open the page in a browser through a file that only this user can read.

    Other users can read the command line of a browser, and thus an address on it.
    """
    if file is None:
        yield
        return
    redirect = f'<!doctype html><meta http-equiv="refresh" content="0; url={url}"><title>Chat</title>'
    try:
        write_atomic(file, redirect, mode=0o600)
        webbrowser.open(file.as_uri())
        yield
    finally:
        file.unlink(missing_ok=True)


def _has_display() -> bool:
    """Whether there is a browser with a window; one in the terminal would hide the command."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in variables)
