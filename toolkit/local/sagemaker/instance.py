"""The limit on a container's start-up, where waiting is scaled and work is not.

On AWS a container has so many seconds, whatever it does with them. Here one that waits for nothing (a hung
server) should be given up after the scaled time, while one that loads a large model on a slow machine
needs real time for it. So a second counts as it would on AWS while the container's processes work, and
as `1 / scale` of them while they are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from toolkit.local import children, logs, timescale, upstream
from toolkit.local.children import reserved_port
from toolkit.local.sagemaker.exceptions import InstanceError, InstanceTimeoutError

_LOOK_SECONDS = 0.25
# Answering pings takes a few thousandths; the clock of processor time ticks in hundredths of a second.
_IDLE_SHARE = 0.05
# Waiting for the processor or for the disk is work, too.
_BUSY = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)


async def time_out(pid: int, seconds: float) -> None:
    """Return when a container has used up its time.

    Args:
        pid: its process; descendants count as well.
        seconds: its limit on AWS.
    """
    left, then = seconds, time.monotonic()
    before, _ = await asyncio.to_thread(_look_at, pid)
    while left > 0:
        await asyncio.sleep(_LOOK_SECONDS)
        used, busy = await asyncio.to_thread(_look_at, pid)
        # Of a machine that slept, or was too busy for this loop, not all counts.
        passed = min(time.monotonic() - then, 2 * _LOOK_SECONDS)
        worked = busy or used - before > _IDLE_SHARE * passed
        left -= passed if worked else passed / timescale.scale()
        before, then = used, time.monotonic()


def _look_at(pid: int) -> tuple[float, bool]:
    """Seconds of processor time that a process and its descendants have used, and whether one is busy."""
    used, busy = 0.0, False
    for process in _family(pid):
        # Each of them may end while it is looked at.
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            used += times.user + times.system
            busy = busy or process.status() in _BUSY
    return used, busy


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


_log = logging.getLogger(__name__)

_PING_SECONDS = 0.05
_PING_MAX_SECONDS = 1.0
# One ping, which a server answers while the model has all the processors.
_PING_TIMEOUT_SECONDS = 10.0
_RESTART_MAX_SECONDS = 30.0
# Of the user's environment a container sees what its program needs to run at all, and nothing private.
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TMPDIR")


@dataclass(frozen=True)
class Program:
    """What an instance runs.

    Attributes:
        command: the model server.
        environment: of the container, with what SDKs need to reach the cloud.
        model_directory: the model's files.
        log_group: where its output goes, as `<variant>/<instance id>`.
        startup_seconds: how long it may take to answer pings, on AWS; see `startup`.
    """

    command: list[str]
    environment: dict[str, str]
    model_directory: Path
    log_group: str
    variant: str
    region: str
    startup_seconds: float


@dataclass
class Instance:
    """A model server process that is started again when it ends.

    Attributes:
        id: as of an EC2 instance.
        port: where the server listens.
        ready: whether it can serve.
        in_service: whether it has been able to; its server may be starting anew.
        in_flight: requests in progress.
    """

    program: Program
    id: str = field(default_factory=lambda: f"i-{secrets.token_hex(8)}0")
    port: int = 0
    ready: bool = False
    in_service: bool = False
    in_flight: int = 0
    _child: children.Child | None = None
    _keeper: asyncio.Task[None] | None = None
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._idle.set()

    @property
    def log_stream(self) -> str:
        """The name that AWS gives the stream."""
        return f"{self.program.variant}/{self.id}"

    @property
    def child(self) -> children.Child | None:
        """The process, if it runs."""
        return self._child

    async def start(self) -> None:
        """Start the server and wait until it answers pings.

        Raises:
            InstanceError: it ended, or did not answer in time.
        """
        await self._start()
        self.in_service = True
        self._keeper = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End the server at once; whoever calls this has waited for its requests."""
        self.ready = self.in_service = False
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        if self._child is not None:
            await self._child.stop()
            self._child = None

    async def _start(self) -> None:
        self.port = reserved_port()
        program = self.program
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        environment |= {
            **program.environment,
            "HOME": str(program.model_directory),
            "MODEL_DIRECTORY": str(program.model_directory),
            "PYTHONUNBUFFERED": "1",
            "SAGEMAKER_BIND_TO_PORT": str(self.port),
        }
        self._child = await children.start(
            program.command, env=environment, cwd=program.model_directory, on_output=self._write_log
        )
        try:
            await self._wait_until_healthy(self._child)
        except BaseException:
            await self._child.stop()
            self._child = None
            raise
        self.ready = True

    async def _wait_until_healthy(self, child: children.Child) -> None:
        healthy = asyncio.create_task(self._ping_until_answered())
        ended = asyncio.create_task(child.wait())
        late = asyncio.create_task(time_out(child.pid, self.program.startup_seconds))
        try:
            await asyncio.wait({healthy, ended, late}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (healthy, ended, late):
                task.cancel()
        if child.returncode is not None:
            raise InstanceError(f"Its process ended with exit code {child.returncode}.")
        if not healthy.done():
            limit = f"{self.program.startup_seconds:.0f} seconds"
            raise InstanceTimeoutError(f"It did not answer /ping with 200 within {limit}.")
        healthy.result()

    async def _ping_until_answered(self) -> None:
        pause = _PING_SECONDS
        while not await self._ping():
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, _PING_MAX_SECONDS)

    async def _ping(self) -> bool:
        try:
            async with (
                asyncio.timeout(_PING_TIMEOUT_SECONDS),
                upstream.request(self.port, "GET", "/ping") as answer,
            ):
                return answer.status == 200
        except (OSError, TimeoutError):
            return False

    async def _keep_running(self) -> None:
        """Start the server again whenever it ends, as SageMaker restarts a container that died."""
        pause = 1.0
        while self._child is not None:
            code = await self._child.wait()
            self.ready = False
            self._write_log(f"the container ended with exit code {code} and is started again")
            _log.warning("%s ended with exit code %d", self.log_stream, code)
            while not self.ready:
                try:
                    await self._start()
                except (InstanceError, OSError) as error:
                    self._write_log(f"the container did not start again: {error}")
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _RESTART_MAX_SECONDS)

    def _write_log(self, line: str) -> None:
        logs.put(self.program.log_group, self.log_stream, [line], region=self.program.region)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """A request is in progress for as long as the block lasts."""
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait until no request is in progress, at most so long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
