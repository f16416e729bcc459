"""One instance of a variant: a model server process, its health, its log and its start-up time limit.

The time limit scales idle time only. A hung server should fail after the scaled limit, but a server that
loads a large model on a slow machine needs real time. So a second counts once while the container's
processes work, and `1 / scale` times while they are idle.
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
from toolkit.local.clock import CLOCK
from toolkit.local.sagemaker.exceptions import InstanceError, InstanceTimeoutError
from toolkit.local.status import MeteredInstance

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.25
# Pings take a few thousandths of the time; processor time is measured in hundredths of a second.
_IDLE_SHARE = 0.05
# Waiting for a processor or a disk counts as work.
_BUSY = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)


async def startup_timeout(pid: int, seconds: float) -> None:
    """Return when a container has used up its start-up time.

    Args:
        pid: its process; descendants count as well.
        seconds: its limit on AWS.
    """
    remaining, last_time = seconds, time.monotonic()
    last_used, _ = await asyncio.to_thread(_sample, pid)
    while remaining > 0:
        await asyncio.sleep(_POLL_SECONDS)
        used, busy = await asyncio.to_thread(_sample, pid)
        # Cap the time that passed while the machine slept or was too busy for this loop.
        elapsed = min(time.monotonic() - last_time, 2 * _POLL_SECONDS)
        worked = busy or used - last_used > _IDLE_SHARE * elapsed
        remaining -= elapsed if worked else elapsed / timescale.scale()
        last_used, last_time = used, time.monotonic()


def _sample(pid: int) -> tuple[float, bool]:
    """The processor time of a process and its descendants in seconds, and whether one of them is busy."""
    used, busy = 0.0, False
    for process in _family(pid):
        # A process may exit in the meantime.
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


_PING_SECONDS = 0.05
_PING_MAX_SECONDS = 1.0
# The limit of one ping, because the model may use all processors.
_PING_TIMEOUT_SECONDS = 10.0
_RESTART_MAX_SECONDS = 30.0
# A container gets only these of the user's environment variables, none of them private.
_FORWARDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TMPDIR")


@dataclass(frozen=True)
class Program:
    """The model server of an instance.

    Attributes:
        command: the command line.
        environment: of the container, including the variables that point SDKs to the cloud.
        model_directory: the model's files.
        log_group: gets the output, in the stream `<variant>/<instance id>`.
        startup_seconds: the time limit until it answers pings, on AWS; see `startup_timeout`.
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
    """A model server process that restarts when it exits.

    Attributes:
        id: like the id of an EC2 instance.
        port: where the server listens.
        ready: whether it can serve requests now.
        in_service: whether it started once; its server may be restarting.
        in_flight: the number of requests in progress.
        metered: its entry in the meter; None for a serverless endpoint.
    """

    program: Program
    metered: MeteredInstance | None = None
    id: str = field(default_factory=lambda: f"i-{secrets.token_hex(8)}0")
    port: int = 0
    ready: bool = False
    in_service: bool = False
    in_flight: int = 0
    _child: children.Child | None = None
    _restarter: asyncio.Task[None] | None = None
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._idle.set()

    @property
    def log_stream(self) -> str:
        """The name of the log stream."""
        return f"{self.program.variant}/{self.id}"

    @property
    def child(self) -> children.Child | None:
        """The running process, or None."""
        return self._child

    async def start(self) -> None:
        """Start the server and wait until it is healthy.

        Raises:
            InstanceError: it exited, or did not answer pings in time.
        """
        try:
            await self._start()
        except BaseException:
            self._end_metering()
            raise
        self.in_service = True
        if self.metered is not None:
            self.metered.in_service = CLOCK.now()
        self._restarter = asyncio.create_task(self._restart_on_exit())

    async def stop(self) -> None:
        """Stop the server at once; call `drain` before."""
        self._end_metering()
        self.ready = self.in_service = False
        if self._restarter is not None:
            self._restarter.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._restarter
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def _end_metering(self) -> None:
        if self.metered is not None and self.metered.ended is None:
            self.metered.ended = CLOCK.now()

    async def _start(self) -> None:
        self.port = reserved_port()
        program = self.program
        environment = {name: os.environ[name] for name in _FORWARDED if name in os.environ}
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
        healthy = asyncio.create_task(self._ping_until_healthy())
        exited = asyncio.create_task(child.wait())
        timed_out = asyncio.create_task(startup_timeout(child.pid, self.program.startup_seconds))
        try:
            await asyncio.wait({healthy, exited, timed_out}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (healthy, exited, timed_out):
                task.cancel()
        if child.returncode is not None:
            raise InstanceError(f"Its process ended with exit code {child.returncode}.")
        if not healthy.done():
            limit = f"{self.program.startup_seconds:.0f} seconds"
            raise InstanceTimeoutError(f"It did not answer /ping with 200 within {limit}.")
        healthy.result()

    async def _ping_until_healthy(self) -> None:
        pause = _PING_SECONDS
        while not await self._ping():
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, _PING_MAX_SECONDS)

    async def _ping(self) -> bool:
        try:
            async with (
                asyncio.timeout(_PING_TIMEOUT_SECONDS),
                upstream.request(self.port, "GET", "/ping") as response,
            ):
                return response.status == 200
        except (OSError, TimeoutError):
            return False

    async def _restart_on_exit(self) -> None:
        """Restart the server whenever it exits, as SageMaker restarts a container."""
        pause = 1.0
        while self._child is not None:
            code = await self._child.wait()
            self.ready = False
            self._write_log(f"the container exited with code {code} and restarts")
            _log.warning("%s exited with code %d", self.log_stream, code)
            while not self.ready:
                try:
                    await self._start()
                except (InstanceError, OSError) as error:
                    self._write_log(f"the container did not restart: {error}")
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _RESTART_MAX_SECONDS)

    def _write_log(self, line: str) -> None:
        logs.put(self.program.log_group, self.log_stream, [line], region=self.program.region)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Count a request as in progress for the duration of the block."""
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Wait until no request is in progress, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
