"""A proxy between the toolkit and the embedded cloud that injects faults of AWS and of the network.

Commands find the embedded cloud through its record. `Proxy.stand_in` writes a record with the proxy's port,
so that boto3, Terraform's backend and its provider all pass through the proxy. Signed requests are AWS's; all
others (health checks, deployed APIs) pass unharmed.

Faults are drawn from the seed, the operation and how often it was requested, not from the clock or the order
in which concurrent requests arrive.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import shutil
import socket
import socketserver
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import h11

from tests.support.patience import HANG_SECONDS

Headers = Sequence[tuple[bytes, bytes]]

_SCOPE = re.compile(r"Credential=[^/,]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request", re.ASCII)
_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")
# AWS generates the name after these, so it differs between runs.
_GENERATED = re.compile(r"/(restapis|resources|deployments|authorizers|usageplans|apikeys|keys)/[^/]+")
_READING = ("Describe", "Get", "List", "Head", "Batch", "Filter")
_BLOCK_BYTES = 64 * 1024
# A reset instead of an orderly close.
_LINGER = struct.pack("ii", 1, 0)


class Fault(StrEnum):
    """A fault of a request."""

    THROTTLE = "throttle"  # the service's own error for too many requests
    SERVER_ERROR = "server-error"  # 500 or 503 in the service's format
    DENIED = "denied"  # the service's own error for missing permissions, which no client retries
    SLOW = "slow"  # the response takes seconds
    RESET_BEFORE = "reset-before"  # the connection breaks before the request is executed
    RESET_INSIDE = "reset-inside"  # the connection breaks in the middle of the response
    LOST_RESPONSE = "lost-response"  # the request is executed, and nothing comes back


RESETS = (Fault.RESET_BEFORE, Fault.RESET_INSIDE, Fault.LOST_RESPONSE)


@dataclass(frozen=True)
class AwsRequest:
    """A signed request.

    Attributes:
        number: of all requests since the last `Proxy.begin`, from 1.
        of_sender: of the sender's requests.
        sender: "toolkit", "terraform" (the state in S3) or "provider".
        service: its signing name, such as `sagemaker`.
        operation: `SageMaker.CreateModel`, `CreateRole`, or method and path without generated names.
        occurrence: of this operation, from 1.
        changes: whether it may change something.
    """

    number: int
    of_sender: int
    sender: str
    service: str
    operation: str
    occurrence: int
    changes: bool

    def __str__(self) -> str:
        return f"{self.number} {self.sender} {self.service} {self.operation} #{self.occurrence}"


# Called for each request; returns the fault.
Chooser = Callable[[AwsRequest], Fault | None]
# Called before a request is executed and before its response is sent.
Observer = Callable[[AwsRequest, str], None]


def no_faults(_: AwsRequest) -> Fault | None:
    """Pass everything on."""
    return None


@dataclass(frozen=True)
class Rate:
    """Each request fails with a probability.

    Attributes:
        seed: decides which.
        faults: drawn from with equal probability.
        rate: the probability, from 0 to 1.
        services: their signing names; empty for all.
    """

    seed: str
    faults: Sequence[Fault]
    rate: float
    services: Collection[str] = ()

    def __call__(self, request: AwsRequest) -> Fault | None:
        if self.services and request.service not in self.services:
            return None
        identity = f"{request.service} {request.operation} {request.occurrence}"
        chance = random.Random(f"{self.seed} {identity}")  # noqa: S311
        return chance.choice(list(self.faults)) if chance.random() < self.rate else None


@dataclass
class Outage:
    """All requests to a service fail from one on, more often than clients retry.

    Attributes:
        fault: of each request.
        service: its signing name.
        first: number of the service's request that fails first, from 1.
        length: how many fail.
    """

    fault: Fault
    service: str
    first: int
    length: int
    _seen: int = 0

    def __call__(self, request: AwsRequest) -> Fault | None:
        if request.service != self.service:
            return None
        self._seen += 1
        return self.fault if self.first <= self._seen < self.first + self.length else None


@dataclass
class Entry:
    """A request, its fault, and the status of the cloud's response."""

    request: AwsRequest
    fault: Fault | None
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.request} -> {self.fault or self.status}"


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        port: on 127.0.0.1.
        upstream: the cloud's port.
        choose: decides the fault of each request.
        observe: called in the request's thread, which waits for it.
        slow_seconds: how long a slow response takes.
        journal: all requests since the last `begin`.
    """

    port: int = 0
    upstream: int = 0
    choose: Chooser = no_faults
    observe: Observer | None = None
    slow_seconds: float = 2.0
    journal: list[Entry] = field(default_factory=list)
    _numbers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, choose: Chooser = no_faults, observe: Observer | None = None) -> None:
        """Count from 1 again, with other faults."""
        with self._lock:
            self.choose, self.observe = choose, observe
            self._numbers.clear()
            self.journal.clear()

    def stand_in(self, cloud: Path, checkout: Path) -> None:
        """Let the commands of a checkout find the cloud at this proxy.

        Args:
            cloud: the running cloud's folder, which is not the checkout's own.
            checkout: whose record is replaced.
        """
        record = json.loads((cloud / "cloud.json").read_text())
        self.upstream = int(record["port"])
        folder = checkout / "build" / ".cloud"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in cloud.iterdir():
            # Whatever else a command needs to find the cloud, such as a secret.
            if file.is_file() and file.name != "lock" and ".log" not in file.name:
                shutil.copy2(file, folder / file.name)
        (folder / "cloud.json").write_text(json.dumps(record | {"port": self.port}))

    def count(self, head: h11.Request, body: bytes) -> AwsRequest | None:
        """Return a signed request with its numbers; None for others."""
        headers = {name.lower().decode(): value.decode("latin1") for name, value in head.headers}
        match = _SCOPE.search(headers.get("authorization", ""))
        if match is None or head.target.startswith(b"/_toolkit/"):
            return None
        service, sender = match["service"].lower(), _sender(headers.get("user-agent", ""))
        operation, changes = _operation(head, headers, body)
        with self._lock:
            for key in ("", sender, f"{service} {operation}"):
                self._numbers[key] += 1
            number, of_sender = self._numbers[""], self._numbers[sender]
            occurrence = self._numbers[f"{service} {operation}"]
        return AwsRequest(number, of_sender, sender, service, operation, occurrence, changes)


@contextlib.contextmanager
def running() -> Iterator[Proxy]:
    """Run a proxy until the block ends; it needs `stand_in`, or an `upstream`."""
    proxy = Proxy()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.closing(self.request):
                _Connection(self.request, proxy).serve()

    with _Server(("127.0.0.1", 0), Handler) as server:
        proxy.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False


class _BrokenError(Exception):
    """The connection was reset on purpose, or the client or the cloud is gone."""


class _Connection:
    """One client's connection: request after request."""

    def __init__(self, client: socket.socket, proxy: Proxy) -> None:
        self._client, self._proxy = client, proxy
        self._http = h11.Connection(h11.SERVER)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> None:
        try:
            while (head := self._event()) and isinstance(head, h11.Request):
                self._handle(head, self._body())
                if self._http.our_state is h11.MUST_CLOSE:
                    return
                self._http.start_next_cycle()
        except (_BrokenError, OSError, http.client.HTTPException, h11.ProtocolError):
            # Clients see a broken connection; the next command starts a new one.
            self._reset()

    def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(self._client.recv(_BLOCK_BYTES))
        return event

    def _body(self) -> bytes:
        parts = []
        while isinstance(event := self._event(), h11.Data):
            parts.append(bytes(event.data))
        return b"".join(parts)

    def _send(self, event: h11.Event) -> None:
        self._client.sendall(self._http.send(event) or b"")

    def _reset(self) -> None:
        with contextlib.suppress(OSError):
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)

    def _handle(self, head: h11.Request, body: bytes) -> None:
        request = self._proxy.count(head, body)
        if request is None:
            self._forward(head, body, None)
            return
        fault = self._proxy.choose(request)
        entry = Entry(request, fault)
        self._proxy.journal.append(entry)
        self._observe(request, "before")
        if fault is Fault.RESET_BEFORE:
            raise _BrokenError
        if fault in MESSAGES:
            self._respond(head, *error(fault, request, dict(head.headers)))
            return
        if fault is Fault.SLOW:
            time.sleep(self._proxy.slow_seconds)

        def executed(status: int) -> None:
            entry.status = status
            self._observe(request, "after")

        self._forward(head, body, fault, executed)

    def _observe(self, request: AwsRequest, moment: str) -> None:
        if self._proxy.observe is not None:
            self._proxy.observe(request, moment)

    def _respond(self, head: h11.Request, status: int, headers: Mapping[str, str], body: bytes) -> None:
        headers = {**headers, "content-length": str(len(body)), "x-amzn-requestid": "fault"}
        self._send(h11.Response(status_code=status, headers=list(headers.items())))
        if head.method != b"HEAD":
            self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())

    def _forward(
        self,
        head: h11.Request,
        body: bytes,
        fault: Fault | None,
        executed: Callable[[int], None] = lambda _: None,
    ) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self._proxy.upstream, timeout=HANG_SECONDS)
        with contextlib.closing(upstream):
            method = head.method.decode()
            upstream.putrequest(
                method, head.target.decode("latin1"), skip_host=True, skip_accept_encoding=True
            )
            for name, value in head.headers.raw_items():
                if name.lower() not in (b"expect", b"transfer-encoding", b"connection"):
                    upstream.putheader(name.decode("latin1"), value)
            if b"transfer-encoding" in dict(head.headers):
                # The same body in one piece; AWS SDKs sign neither header.
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            response = upstream.getresponse()
            executed(response.status)
            if fault is Fault.LOST_RESPONSE:
                response.read()
                raise _BrokenError
            self._pass_on(response, interrupted=fault is Fault.RESET_INSIDE)

    def _pass_on(self, response: http.client.HTTPResponse, *, interrupted: bool) -> None:
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in ("connection", "keep-alive", "transfer-encoding")
        ]
        head = self._http.send(h11.Response(status_code=response.status, headers=headers)) or b""
        first = response.read1(_BLOCK_BYTES)
        if interrupted:
            data = self._http.send(h11.Data(data=first)) or b"" if first else b""
            self._client.sendall(head + data[: len(data) // 2] if first else head[: len(head) // 2])
            raise _BrokenError
        self._client.sendall(head)
        while first:
            self._send(h11.Data(data=first))
            first = response.read1(_BLOCK_BYTES)
        self._send(h11.EndOfMessage())


def _sender(user_agent: str) -> str:
    if "terraform-provider-aws" in user_agent:
        return "provider"
    return "toolkit" if "botocore/" in user_agent.lower() else "terraform"


def _operation(head: h11.Request, headers: Mapping[str, str], body: bytes) -> tuple[str, bool]:
    """Name the operation, and say whether it may change something."""
    if target := headers.get("x-amz-target"):
        return target, not target.partition(".")[2].startswith(_READING)
    if action := _ACTION.search(body) if "urlencoded" in headers.get("content-type", "") else None:
        name = action[1].decode()
        return name, not name.startswith(_READING)
    method, url = head.method.decode(), urlsplit(head.target.decode("latin1"))
    names = "&".join(part.partition("=")[0] for part in url.query.split("&") if part)
    path = _GENERATED.sub(r"/\1/*", url.path) + (f"?{names}" if names else "")
    return f"{method} {path}", method not in ("GET", "HEAD")


# Errors for too many requests and of a failed service: status and code. Codes: botocore's service models, and
# docs.aws.amazon.com: AmazonS3/latest/API/ErrorResponses.html, IAM/latest/APIReference/CommonErrors.html,
# sagemaker/latest/APIReference/CommonErrors.html.
_ERRORS: dict[str, dict[Fault, list[tuple[int, str]]]] = {
    "s3": {
        Fault.DENIED: [(403, "AccessDenied")],
        Fault.THROTTLE: [(503, "SlowDown")],
        Fault.SERVER_ERROR: [(500, "InternalError"), (503, "ServiceUnavailable")],
    },
    "apigateway": {
        Fault.DENIED: [(403, "AccessDeniedException")],
        Fault.THROTTLE: [(429, "TooManyRequestsException")],
        Fault.SERVER_ERROR: [(503, "ServiceUnavailableException")],
    },
    "lambda": {
        Fault.DENIED: [(403, "AccessDeniedException")],
        Fault.THROTTLE: [(429, "TooManyRequestsException")],
        Fault.SERVER_ERROR: [(500, "ServiceException"), (503, "ServiceUnavailable")],
    },
    "query": {
        Fault.DENIED: [(403, "AccessDenied")],
        Fault.THROTTLE: [(400, "Throttling")],
        Fault.SERVER_ERROR: [(500, "InternalFailure"), (503, "ServiceUnavailable")],
    },
    "json": {
        Fault.DENIED: [(400, "AccessDeniedException")],
        Fault.THROTTLE: [(400, "ThrottlingException")],
        Fault.SERVER_ERROR: [(500, "InternalFailure"), (503, "ServiceUnavailable")],
    },
}
MESSAGES = {
    Fault.THROTTLE: "Rate exceeded",
    Fault.SERVER_ERROR: "We encountered an internal error.",
    Fault.DENIED: "not authorized",
}


def error(
    fault: Fault, request: AwsRequest, headers: Mapping[bytes, bytes]
) -> tuple[int, dict[str, str], bytes]:
    """Return the service's own error response: status, headers, body."""
    # Route 53's errors look the same.
    is_query = b"urlencoded" in headers.get(b"content-type", b"") or request.service == "route53"
    kind = request.service if request.service in _ERRORS else "query" if is_query else "json"
    kinds = _ERRORS[kind][fault]
    status, code = kinds[request.occurrence % len(kinds)]
    message = MESSAGES[fault]
    if request.service == "s3":
        text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return status, {"content-type": "application/xml"}, f'<?xml version="1.0"?>\n{text}'.encode()
    if is_query:
        kind = "Sender" if status < 500 else "Receiver"
        text = f"<Error><Type>{kind}</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        whole = f"<ErrorResponse>{text}<RequestId>fault</RequestId></ErrorResponse>"
        return status, {"content-type": "text/xml"}, whole.encode()
    body = {"__type": code, "message": message}
    more = {"retry-after": "1"} if status == 429 else {}
    content_type = "application/x-amz-json-1.1" if "." in request.operation else "application/json"
    return status, {"content-type": content_type, "x-amzn-errortype": code, **more}, json.dumps(body).encode()
