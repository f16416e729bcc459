"""Functions with a handler: processes that fetch invocations from Lambda's Runtime API.

They run AWS's runtime client (awslambdaric), or `python_runtime` where it is not available. Each instance has
its own address, because runtimes accept no path in AWS_LAMBDA_RUNTIME_API.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import h11
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
        ends: list[asyncio.Future[Any]] = [outcome, self._exited]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # It is still working, and cannot be interrupted.
            self.usable = False
            raise
        if not outcome.done():
            raise self.exit_error(invocation)
        yield outcome.result()

    async def stop(self) -> None:
        await super().stop()
        self._api.close()


_log = logging.getLogger(__name__)

_PREFIX: Final = "/2018-06-01/runtime"
_CHUNK_BYTES: Final = 64 * 1024
_ACCEPTED: Final = b'{"status":"OK"}'

Response = tuple[int, list[tuple[str, str]], bytes]


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
        self._offers: asyncio.Queue[Invocation] = asyncio.Queue()
        self._outcome: asyncio.Future[bytes] | None = None
        self._current = ""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Listen on a free port.

        Returns:
            The address for AWS_LAMBDA_RUNTIME_API.
        """
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()

    def offer(self, invocation: Invocation) -> asyncio.Future[bytes]:
        """Offer an invocation to the runtime.

        Returns:
            Its response, or the FunctionError that it reports.
        """
        self._current = invocation.request_id
        self._outcome = asyncio.get_running_loop().create_future()
        self._offers.put_nowait(invocation)
        return self._outcome

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task
        self._connections.add(task)
        try:
            # Any user of this machine can reach the port; events contain the callers' API keys.
            ends = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
            if await asyncio.to_thread(_is_connected, await asyncio.shield(self.runtime), ends):
                await self._serve(reader, writer)
        except (ConnectionError, h11.RemoteProtocolError) as error:
            _log.debug("a runtime disconnected: %s", error)
        except asyncio.CancelledError:
            # By `close`. asyncio's streams in Python 3.11 report a cancelled connection as an exception.
            return
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            request, body = await _receive(connection, reader)
            if request is None:
                return
            status, headers, content = await self._respond(request, body)
            headers = [*headers, ("Content-Length", str(len(content)))]
            events = [
                h11.Response(status_code=status, headers=headers),
                h11.Data(content),
                h11.EndOfMessage(),
            ]
            # In one write: a second one would wait 40 ms for the runtime's acknowledgement.
            writer.write(b"".join(connection.send(event) or b"" for event in events))
            await writer.drain()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _respond(self, request: h11.Request, body: bytes) -> Response:
        path = request.target.decode().removeprefix(_PREFIX)
        if request.method == b"GET" and path == "/invocation/next":
            self.ready.set()
            return _request(await self._offers.get())
        if path == "/init/error":
            self.init_error = FunctionError.from_payload(body)
            self.ready.set()
            return 202, [], _ACCEPTED
        for end, outcome in (("/response", body), ("/error", FunctionError.from_payload)):
            if path == f"/invocation/{self._current}{end}":
                self._settle(outcome if isinstance(outcome, bytes) else outcome(body))
                return 202, [], _ACCEPTED
        return 404, [], b'{"errorType":"InvalidRequestID","errorMessage":"no such request"}'

    def _settle(self, outcome: bytes | FunctionError) -> None:
        if self._outcome is None or self._outcome.done():
            return
        if isinstance(outcome, bytes):
            self._outcome.set_result(outcome)
        else:
            self._outcome.set_exception(outcome)


def _is_connected(pid: int, ends: tuple[tuple[str, int], tuple[str, int]]) -> bool:
    """Whether the process or one of its descendants has the connection between these addresses."""
    with contextlib.suppress(psutil.Error):
        runtime = psutil.Process(pid)
        for process in (runtime, *runtime.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                connections = process.net_connections("tcp4")
                if ends in [(tuple(one.laddr), tuple(one.raddr)) for one in connections]:
                    return True
    return False


def _request(invocation: Invocation) -> Response:
    headers = [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Aws-Request-Id", invocation.request_id),
        ("Lambda-Runtime-Deadline-Ms", str(invocation.deadline_ms())),
        ("Lambda-Runtime-Invoked-Function-Arn", invocation.function_arn),
        ("Lambda-Runtime-Trace-Id", invocation.trace_id),
    ]
    if invocation.client_context:
        headers.append(("Lambda-Runtime-Client-Context", invocation.client_context))
    return 200, headers, invocation.event


async def _receive(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[h11.Request | None, bytes]:
    request: h11.Request | None = None
    body: list[bytes] = []
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return request, b"".join(body)
        else:
            return None, b""
