"""Child processes that end with the embedded cloud, even if it is killed.

Each child has a small supervisor (`toolkit.local.supervisor`) in its own session, which has a guard.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import psutil

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
# Limit of an event in CloudWatch Logs; longer lines are split.
MAX_LINE_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
# Another chunk cannot exceed the limit then: a character has at most four bytes.
_MAX_PENDING_CHARACTERS = (MAX_LINE_BYTES - _CHUNK_BYTES) // 4
# A process that left the group may keep the output open after the child's exit: do not wait for it.
_OUTPUT_DRAIN_SECONDS = 5.0


class Child:
    """A child process, running or exited, from `start`.

    Attributes:
        pid: also the id of its process group.
    """

    def __init__(
        self,
        pid: int,
        supervisor: asyncio.subprocess.Process,
        status: asyncio.StreamReader,
        on_output: Callable[[str], None],
    ) -> None:
        self.pid = pid
        self._supervisor = supervisor
        self._lifeline = cast(asyncio.StreamWriter, supervisor.stdin)
        self._status = status
        self._output = asyncio.create_task(self._forward_output(on_output))
        self._returncode: int | None = None
        self._end = asyncio.create_task(self._watch())

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while the child is running."""
        return self._returncode

    def memory_bytes(self) -> int:
        """Resident memory of the child, its supervisor and all their descendants."""
        total = 0
        try:
            supervisor = psutil.Process(self._supervisor.pid)
            family = [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        for process in family:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total

    async def wait(self) -> int:
        """Wait for the exit and the delivery of all output.

        Returns:
            The exit code, negative for a signal.
        """
        return await asyncio.shield(self._end)

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Send SIGTERM, kill the process group after `grace_seconds`, and wait for the exit."""
        if not self._lifeline.is_closing():
            self._lifeline.write(b"\n")
        try:
            await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self._lifeline.close()
            await self.wait()

    async def _watch(self) -> int:
        line = (await self._status.readline()).decode().split()
        if line and line[0] == "exited":
            code = int(line[1])
        else:
            # The supervisor was killed.
            _kill_group(self.pid)
            code = -signal.SIGKILL
        await self._supervisor.wait()
        await asyncio.wait([self._output], timeout=_OUTPUT_DRAIN_SECONDS)
        self._output.cancel()
        self._returncode = code
        return code

    async def _forward_output(self, on_output: Callable[[str], None]) -> None:
        output = cast(asyncio.StreamReader, self._supervisor.stdout)
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        pending = ""
        while chunk := await output.read(_CHUNK_BYTES):
            *lines, pending = (pending + decode(chunk)).split("\n")
            if len(pending) > _MAX_PENDING_CHARACTERS:
                lines, pending = [*lines, pending], ""
            for line in lines:
                on_output(line.rstrip("\r"))
        if pending:
            on_output(pending)


async def start(
    argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, on_output: Callable[[str], None]
) -> Child:
    """Start a child process.

    Args:
        argv: the program (a path, or a name on the PATH of `env`) and its arguments.
        env: the complete environment.
        cwd: the working directory.
        on_output: called in the event loop with each line of standard output and error, in order, without
            its line break.

    Raises:
        OSError: the program or the directory does not exist or is not accessible.
    """
    readable, writable = os.pipe()
    try:
        supervisor = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_SUPERVISOR), str(writable), *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            pass_fds=(writable,),
            # The cloud handles Ctrl-C itself.
            start_new_session=True,
        )  # fmt: skip
    except BaseException:
        os.close(readable)
        raise
    finally:
        os.close(writable)
    status = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(status), os.fdopen(readable, "rb", buffering=0)
    )
    outcome = (await status.readline()).decode().split()
    if outcome[:1] == ["started"]:
        return Child(int(outcome[1]), supervisor, status, on_output)
    await supervisor.communicate()
    error = int(outcome[1]) if outcome[:1] == ["failed"] else None
    raise OSError(error, os.strerror(error) if error else "the supervisor died", argv[0])


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def reserved_port() -> int:
    """Reserve a free port of 127.0.0.1 for a minute.

    It leaves a connection in TIME_WAIT: the system does not assign such a port to programs that ask for any
    port, while a server that asks for this one, with SO_REUSEADDR, gets it.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            # The side that closes first enters TIME_WAIT.
            accepted.close()
            client.recv(1)
        port: int = listener.getsockname()[1]
        return port
