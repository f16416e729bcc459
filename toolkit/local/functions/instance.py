"""One instance of a function, with its log stream; subclasses define how it gets requests."""

from __future__ import annotations

import abc
import asyncio
import base64
import contextlib
import datetime
import math
import sys
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing

import psutil

from toolkit.local import logs
from toolkit.local.children import Child
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.exceptions import TIMED_OUT, FunctionError
from toolkit.local.functions.invocation import Invocation, ResponseStream
from toolkit.local.functions.models import Function

# Lambda gives the init phase 10 s, and then the function's time-out once more.
INIT_SECONDS = 10.0
# Interval of the memory checks of a busy process.
_MEMORY_SECONDS = 0.2


class Instance(abc.ABC):
    """A process of a function. It serves one request at a time.

    Attributes:
        log: its log stream.
        init_seconds: duration of its init phase; None after the first invocation.
        usable: whether it may serve another request.
        idle_since: `time.monotonic()` of its last release.
        expires_at: when its role's credentials expire, in seconds since the epoch.
    """

    content_type = "application/json"

    def __init__(self, function: Function, log: InstanceLog) -> None:
        self.function = function
        self.log = log
        self.init_seconds: float | None = None
        self.usable = True
        self.idle_since = 0.0
        self.expires_at = math.inf
        self._max_memory = 0
        self._out_of_memory = False
        self._process: psutil.Process | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    @abc.abstractmethod
    def child(self) -> Child | None:
        """The process; None before the start."""

    @abc.abstractmethod
    async def _start(self) -> None:
        """Start the process and wait until it is ready; raises FunctionError."""

    @abc.abstractmethod
    def _parts(self, invocation: Invocation) -> AsyncGenerator[bytes]:
        """Run one invocation and yield its response; raises FunctionError."""

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return self.child is not None and self.child.returncode is None

    def fits(self, function: Function) -> bool:
        """Whether it runs the current version, is not being stopped, and has credentials that last."""
        lasts = time.time() + function.timeout_seconds < self.expires_at
        return self.usable and self.alive and lasts and self.function == function

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            FunctionError: it failed or timed out, and was stopped.
        """
        started = time.monotonic()
        self.log.init_start()
        try:
            async with asyncio.timeout(INIT_SECONDS + self.function.timeout_seconds):
                await self._start()
        except (FunctionError, TimeoutError) as error:
            failure = error if isinstance(error, FunctionError) else _init_timeout(self.function)
            self.log.init_report(time.monotonic() - started, failure.error_type)
            await self.stop()
            raise failure from error
        except BaseException:
            await self.stop()
            raise
        self.init_seconds = time.monotonic() - started

    async def run(self, invocation: Invocation, stream: ResponseStream) -> FunctionError | None:
        """Run one invocation; returns its error. Check `usable` afterwards."""
        self.log.start(invocation.request_id)
        stream.content_type = self.content_type
        started = time.monotonic()
        error: FunctionError | None = None
        status: str | None = "error"
        self._watch_memory()
        try:
            async with (
                asyncio.timeout(invocation.timeout_seconds),
                aclosing(self._parts(invocation)) as parts,
            ):
                async for part in parts:
                    await stream.put(part)
                # Log the output that it wrote before the end of its response.
                await asyncio.sleep(0)
            status = None
        except TimeoutError:
            error, status = self._timed_out(invocation), "timeout"
        except FunctionError as failure:
            error = failure
            if self._out_of_memory:
                status = "error\tError Type: Runtime.OutOfMemory"
        finally:
            if self._watch is not None:
                self._watch.cancel()
            self._report(invocation, time.monotonic() - started, status)
        stream.log_tail = self.log.tail()
        await stream.end(error)
        return error

    def _watch_memory(self) -> None:
        # Short requests need no check.
        self._watch = asyncio.get_running_loop().call_later(_MEMORY_SECONDS, self._check_memory)

    def _check_memory(self) -> None:
        """Kill the process when it exceeds the function's memory, as the kernel does on AWS."""
        process = self._measure_memory()
        if process is None:
            return
        if self._max_memory > self.function.memory_mb * 2**20:
            self._out_of_memory = True
            with contextlib.suppress(psutil.Error):
                process.kill()
        else:
            self._watch_memory()

    def _measure_memory(self) -> psutil.Process | None:
        """Measure the memory of the process; None if it has exited."""
        if self.child is None or not self.alive:
            return None
        try:
            if self._process is None:
                self._process = psutil.Process(self.child.pid)
            self._max_memory = max(self._max_memory, self._process.memory_info().rss)
        except psutil.Error:
            return None
        return self._process

    def _timed_out(self, invocation: Invocation) -> FunctionError:
        self.usable = False
        text = f"Task timed out after {invocation.timeout_seconds:.2f} seconds"
        self.log.line(f"{invocation.request_id} {text}")
        return FunctionError(TIMED_OUT, f"RequestId: {invocation.request_id} Error: {text}")

    def _report(self, invocation: Invocation, seconds: float, status: str | None) -> None:
        if self._measure_memory() is None:
            # Keep the last measurement.
            self.usable = False
        self.log.report(invocation.request_id, seconds, self._max_memory, self.init_seconds, status)
        self.init_seconds = None

    def exit_error(self, invocation: Invocation | None = None) -> FunctionError:
        """The error for a process that exited."""
        self.usable = False
        code = self.child.returncode if self.child else None
        cause = f"signal: {-code}" if code is not None and code < 0 else f"exit status {code}"
        request = f"RequestId: {invocation.request_id} " if invocation else ""
        return FunctionError("Runtime.ExitError", f"{request}Error: Runtime exited with error: {cause}")

    async def stop(self) -> None:
        """Stop the process at once; Lambda stops idle instances without notice, too."""
        if self.child is not None:
            await self.child.stop(grace_seconds=0.5)


def _init_timeout(function: Function) -> FunctionError:
    seconds = INIT_SECONDS + function.timeout_seconds
    return FunctionError(TIMED_OUT, f"the function was not ready after {seconds:.0f} seconds")


# Limit of `LogType=Tail`.
TAIL_BYTES = 4096
_TAIL_LINES = 200


class InstanceLog:
    """The log stream of one instance.

    Args:
        function: of the instance.
        metrics: receives metrics that are embedded in the lines.

    Attributes:
        stream: its name, in Lambda's format.
    """

    def __init__(self, function: Function, metrics: Metrics) -> None:
        today = datetime.datetime.now(datetime.UTC)
        self.stream = f"{today:%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._function = function
        self._metrics = metrics
        self._recent: deque[str] = deque(maxlen=_TAIL_LINES)

    def line(self, text: str) -> None:
        """Log a line."""
        self._recent.append(text)
        logs.put(self._function.log_group, self.stream, [text], region=self._function.region)
        self._metrics.put_embedded(self._function.region, text)

    def init_start(self) -> None:
        """Log the start of the init phase."""
        own = f"python{sys.version_info.major}.{sys.version_info.minor}"
        named = self._function.runtime
        # Functions run on the Python of the cloud.
        remark = (
            f" (the embedded cloud has no {named})" if named.startswith("python") and named != own else ""
        )
        self.line(f"INIT_START Runtime Version: {own.replace('python', 'python:')}{remark}")

    def start(self, request_id: str) -> None:
        """Log the start of an invocation."""
        self._recent.clear()
        self.line(f"START RequestId: {request_id} Version: {self._function.version}")

    def init_report(self, seconds: float, error_type: str) -> None:
        """Log a failed init phase."""
        status = "timeout" if error_type == TIMED_OUT else f"error\tError Type: {error_type}"
        self.line(f"INIT_REPORT Init Duration: {seconds * 1000:.2f} ms\tPhase: init\tStatus: {status}")

    def report(
        self,
        request_id: str,
        seconds: float,
        memory_bytes: int,
        init_seconds: float | None,
        status: str | None,
    ) -> None:
        """Log the end of an invocation.

        Args:
            request_id: of the invocation.
            seconds: its duration.
            memory_bytes: maximum memory of the process.
            init_seconds: duration of the init phase, for the first invocation.
            status: the error, as Lambda words it.
        """
        duration = seconds * 1000
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {duration:.2f} ms",
            f"Billed Duration: {math.ceil(duration)} ms",
            f"Memory Size: {self._function.memory_mb} MB",
            f"Max Memory Used: {memory_bytes // 2**20} MB",
        ]
        if init_seconds is not None:
            fields.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
        if status is not None:
            fields.append(f"Status: {status}")
        self.line(f"END RequestId: {request_id}")
        self.line("\t".join(fields))

    def tail(self) -> str:
        """The end of the last invocation's log, base64."""
        text = "".join(f"{line}\n" for line in self._recent).encode()
        return base64.b64encode(text[-TAIL_BYTES:]).decode()
