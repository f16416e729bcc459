"""A process that runs a function, whatever way it is driven."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import psutil

from toolkit.local.children import Child
from toolkit.local.functions.errors import TIMED_OUT, FunctionError
from toolkit.local.functions.function import Function
from toolkit.local.functions.invocation import Answer, Invocation
from toolkit.local.functions.log import InstanceLog

# Lambda gives a process 10 s to get ready, and then once more the function's own time-out.
INIT_SECONDS = 10.0
# How often a busy process's memory is looked at.
_MEMORY_SECONDS = 0.2


class Instance(abc.ABC):
    """A process of a function, which takes one request at a time.

    Attributes:
        function: what it runs.
        log: its log stream.
        init_seconds: how long it took to get ready; None after its first invocation.
        usable: whether it may take another request.
        idle_since: `time.monotonic()` of its last release.
        expires_at: when its role's credentials end; seconds since the epoch.
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

    @property
    @abc.abstractmethod
    def child(self) -> Child | None:
        """The process, once it is started."""

    @abc.abstractmethod
    async def _start(self) -> None:
        """Start the process and wait until it can take a request; raises FunctionError."""

    @abc.abstractmethod
    def _parts(self, invocation: Invocation) -> AsyncGenerator[bytes]:
        """The answer to one request; raises FunctionError."""

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.child is not None and self.child.returncode is None

    def fits(self, function: Function) -> bool:
        """Whether it can take a request for a function as that is now, and has credentials to its end."""
        lasts = time.time() + function.timeout_seconds < self.expires_at
        return self.alive and lasts and self.function == function

    async def start(self) -> None:
        """Get ready.

        Raises:
            FunctionError: it could not; the process is gone.
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

    async def run(self, invocation: Invocation, answer: Answer) -> FunctionError | None:
        """Answer one request; returns its error. Afterwards look at `usable`."""
        self.log.start(invocation.request_id)
        answer.content_type = self.content_type
        started = time.monotonic()
        error: FunctionError | None = None
        status: str | None = "error"
        watch = asyncio.create_task(self._watch_memory())
        try:
            async with (
                asyncio.timeout(invocation.timeout_seconds),
                aclosing(self._parts(invocation)) as parts,
            ):
                async for part in parts:
                    await answer.put(part)
            status = None
        except TimeoutError:
            error, status = self._timed_out(invocation), "timeout"
        except FunctionError as failure:
            error = failure
            if self._out_of_memory:
                status = "error\tError Type: Runtime.OutOfMemory"
        finally:
            watch.cancel()
            self._report(invocation, time.monotonic() - started, status)
        answer.log_tail = self.log.tail()
        await answer.end(error)
        return error

    async def _watch_memory(self) -> None:
        """Kill the process when it takes more than the function is given, as the kernel does on AWS."""
        limit = self.function.memory_mb * 2**20
        while self.child is not None and self.alive:
            # First, so that short requests cost nothing.
            await asyncio.sleep(_MEMORY_SECONDS)
            with contextlib.suppress(psutil.Error):
                # If it has ended by itself, whoever waits for its answer learns that.
                process = psutil.Process(self.child.pid)
                self._max_memory = max(self._max_memory, process.memory_info().rss)
                if self._max_memory > limit:
                    self._out_of_memory = True
                    process.kill()
                    return

    def _timed_out(self, invocation: Invocation) -> FunctionError:
        self.usable = False
        text = f"Task timed out after {invocation.timeout_seconds:.2f} seconds"
        self.log.line(f"{invocation.request_id} {text}")
        return FunctionError(TIMED_OUT, f"RequestId: {invocation.request_id} Error: {text}")

    def _report(self, invocation: Invocation, seconds: float, status: str | None) -> None:
        if self.child is not None and self.alive:
            try:
                self._max_memory = max(self._max_memory, psutil.Process(self.child.pid).memory_info().rss)
            except psutil.Error:
                # It ended in this moment; what was measured before stands.
                self.usable = False
        self.log.report(invocation.request_id, seconds, self._max_memory, self.init_seconds, status)
        self.init_seconds = None

    def exit_error(self, invocation: Invocation | None = None) -> FunctionError:
        """The error for a process that ended by itself."""
        self.usable = False
        code = self.child.returncode if self.child else None
        how = f"signal: {-code}" if code is not None and code < 0 else f"exit status {code}"
        request = f"RequestId: {invocation.request_id} " if invocation else ""
        return FunctionError("Runtime.ExitError", f"{request}Error: Runtime exited with error: {how}")

    async def stop(self) -> None:
        """End the process at once: Lambda freezes idle ones and ends them without a word."""
        if self.child is not None:
            await self.child.stop(grace_seconds=0.5)


def _init_timeout(function: Function) -> FunctionError:
    seconds = INIT_SECONDS + function.timeout_seconds
    return FunctionError(TIMED_OUT, f"the function was not ready after {seconds:.0f} seconds")
