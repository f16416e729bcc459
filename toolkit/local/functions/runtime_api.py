"""Functions with a handler: processes that fetch invocations from Lambda's Runtime API.

They run AWS's runtime client (awslambdaric), or `python_runtime` where it is not available. Each instance has
its own address, because runtimes accept no path in AWS_LAMBDA_RUNTIME_API.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from http import HTTPStatus
from pathlib import Path
from typing import Final, cast

import httptools
import psutil

from toolkit.local import children
from toolkit.local.children import Child
from toolkit.local.functions.exceptions import FunctionError
from toolkit.local.functions.instance import Instance, InstanceLog
from toolkit.local.functions.invocation import Invocation
from toolkit.local.functions.models import Function
from toolkit.local.functions.sandbox import Sandbox

# awslambdaric has wheels for Linux only.
_OWN_RUNTIME = Path(__file__).with_name("python_runtime.py")


class HandlerInstance(Instance):
    """An instance that fetches invocations from a Runtime API."""

    def __init__(self, function: Function, log: InstanceLog, sandbox: Sandbox) -> None:
        super().__init__(function, log)
        self._sandbox = sandbox
        self._api = RuntimeApi()
        self._child: Child | None = None
        self._exited: asyncio.Task[int] | None = None

    @property
    def child(self) -> Child | None:
        return self._child

    async def _start(self) -> None:
        task_root = await self._sandbox.task_root(self.function)
        environment = self._sandbox.environment(
            self.function, task_root, self.log, AWS_LAMBDA_RUNTIME_API=await self._api.start()
        )
        try:
            self._child = await children.start(
                self._command(), env=environment, cwd=task_root, on_output=self.log.line
            )
        except OSError as error:
            raise FunctionError("Runtime.InvalidEntrypoint", f"Error: {error}") from error
        self._api.runtime.set_result(self._child.pid)
        self._exited = asyncio.create_task(self._child.wait())
        ready = asyncio.create_task(self._api.ready.wait())
        await asyncio.wait({ready, self._exited}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._api.init_error is not None:
            raise self._api.init_error
        if self._exited.done():
            raise self.exit_error()

    def _command(self) -> list[str]:
        if self.function.exec_wrapper is not None:
            # The wrapper program is in a layer whose content is not available.
            return [self.function.exec_wrapper]
        python = str(self._sandbox.runtime.python)
        if (self._sandbox.runtime.site_packages / "awslambdaric").is_dir():
            return [python, "-m", "awslambdaric", self.function.handler]
        return [python, str(_OWN_RUNTIME), self.function.handler]

    async def _parts(self, invocation: Invocation) -> AsyncGenerator[bytes]:
        assert self._exited is not None  # noqa: S101 - started
        outcome = self._api.offer(invocation)

        def exited(_: object) -> None:
            if not outcome.done():
                outcome.set_exception(self.exit_error(invocation))

        self._exited.add_done_callback(exited)
        try:
            response = await outcome
        except asyncio.CancelledError:
            # It is still working, and cannot be interrupted.
            self.usable = False
            raise
        finally:
            self._exited.remove_done_callback(exited)
        yield response

    async def stop(self) -> None:
        await super().stop()
        self._api.close()


_log = logging.getLogger(__name__)

_PREFIX: Final = "/2018-06-01/runtime"
_ACCEPTED: Final = b'{"status":"OK"}'

Headers = list[tuple[str, str]]
# The address of the other end, and of this one.
Ends = tuple[tuple[str, int], tuple[str, int]]


class RuntimeApi:
    """The Runtime API of one instance.

    Attributes:
        ready: set when the runtime requests its first invocation, which ends the init phase.
        init_error: the error that it reported instead.
        runtime: the runtime's process id, once it is started.
    """

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.init_error: FunctionError | None = None
        self.runtime: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._offered: Invocation | None = None
        self._outcome: asyncio.Future[bytes] | None = None
        self._current = ""
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        # The connection whose request for the next invocation has no response yet.
        self._waiting: _Connection | None = None

    async def start(self) -> str:
        """Listen on a free port.

        Returns:
            The address for AWS_LAMBDA_RUNTIME_API.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()

    def offer(self, invocation: Invocation) -> asyncio.Future[bytes]:
        """Offer an invocation to the runtime.

        Returns:
            Its response, or the FunctionError that it reports.
        """
        self._current = invocation.request_id
        self._outcome = asyncio.get_running_loop().create_future()
        self._offered = invocation
        self._deliver()
        return self._outcome

    def _deliver(self) -> None:
        if self._offered is not None and self._waiting is not None:
            connection, self._waiting = self._waiting, None
            invocation, self._offered = self._offered, None
            connection.send(200, _headers(invocation), invocation.event)

    async def admits(self, ends: Ends) -> bool:
        """Whether a connection is the runtime's.

        Any user of this machine can reach the port; events contain the callers' API keys.
        """
        return await asyncio.to_thread(_is_connected, await asyncio.shield(self.runtime), ends)

    def opened(self, connection: _Connection) -> None:
        """Note a connection."""
        self._connections.add(connection)

    def closed(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if self._waiting is connection:
            self._waiting = None

    def handle(self, connection: _Connection, method: bytes, target: str, body: bytes) -> None:
        """Respond to a request of the runtime."""
        path = target.removeprefix(_PREFIX)
        if method == b"GET" and path == "/invocation/next":
            self.ready.set()
            self._waiting = connection
            self._deliver()
        elif path == "/init/error":
            self.init_error = FunctionError.from_payload(body)
            self.ready.set()
            connection.send(202, [], _ACCEPTED)
        elif path == f"/invocation/{self._current}/response":
            self._settle(body)
            connection.send(202, [], _ACCEPTED)
        elif path == f"/invocation/{self._current}/error":
            self._settle(FunctionError.from_payload(body))
            connection.send(202, [], _ACCEPTED)
        else:
            connection.send(404, [], b'{"errorType":"InvalidRequestID","errorMessage":"no such request"}')

    def _settle(self, outcome: bytes | FunctionError) -> None:
        if self._outcome is None or self._outcome.done():
            return
        if isinstance(outcome, bytes):
            self._outcome.set_result(outcome)
        else:
            self._outcome.set_exception(outcome)


class _Connection(asyncio.Protocol):
    """A connection of the runtime; the parser calls the `on_…` methods."""

    def __init__(self, api: RuntimeApi) -> None:
        self._api = api
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._body: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._admission: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()
        self._api.opened(self)
        self._admission = asyncio.create_task(self._admit(self._transport))

    async def _admit(self, transport: asyncio.Transport) -> None:
        ends = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if await self._api.admits(ends):
            transport.resume_reading()
        else:
            transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._api.closed(self)
        if self._admission is not None:
            self._admission.cancel()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a response."""
        assert self._transport is not None  # noqa: S101 - it has received a request
        lines = [f"{name}: {value}" for name, value in (*headers, ("Content-Length", len(body)))]
        head = "\r\n".join([f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *lines, "", ""])
        # In one write: a second one would wait 40 ms for the runtime's acknowledgement.
        self._transport.write(head.encode("latin1") + body)
        if not self._parser.should_keep_alive():
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            _log.debug("a runtime sent an invalid request: %s", error)
            self.close()

    def on_message_begin(self) -> None:
        self._target, self._body = b"", []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        method, target = self._parser.get_method(), self._target.decode("latin1")
        self._api.handle(self, method, target, b"".join(self._body))


def _is_connected(pid: int, ends: Ends) -> bool:
    """Whether the process or one of its descendants has the connection between these addresses."""
    with contextlib.suppress(psutil.Error):
        runtime = psutil.Process(pid)
        for process in (runtime, *runtime.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                connections = process.net_connections("tcp4")
                if ends in [(tuple(one.laddr), tuple(one.raddr)) for one in connections]:
                    return True
    return False


def _headers(invocation: Invocation) -> Headers:
    headers = [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
        ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms())),
        ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
        ("Lambda-Runtime-Trace-Id", invocation.trace_id),
    ]
    if invocation.client_context:
        # JSON: line breaks, which would end the header, have no meaning in it.
        context = "".join(invocation.client_context.splitlines()).encode().decode("latin1")
        headers.append(("Lambda-Runtime-Client-Context", context))
    return headers
