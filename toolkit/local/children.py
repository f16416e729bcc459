"""Child processes that die with the embedded cloud, also when it is killed hard.

Each child runs under a small supervisor (`toolkit.local.supervisor`) in a session of its own, and that one
under a guard.
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
# CloudWatch Logs takes 256 KB an event; a longer line is cut into several.
MAX_LINE_BYTES = 256 * 1024
_CHUNK_BYTES = 64 * 1024
# So many that another chunk cannot make the line too long: a character has at most four bytes.
_MAX_PENDING_CHARACTERS = (MAX_LINE_BYTES - _CHUNK_BYTES) // 4
# A process that left its group may keep the output open after the child's end; it is not waited for.
_OUTPUT_DRAIN_SECONDS = 5.0


class Child:
    """A running or ended child process, from `start`.

    Attributes:
        pid: its process id, which is also the id of its process group.
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
        """The exit code, negative for a signal; None while the child runs."""
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
        """Wait for the end; by then all output was delivered.

        Returns:
            The exit code, negative for a signal.
        """
        return await asyncio.shield(self._end)

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Ask the child to end (SIGTERM), kill its process group after `grace_seconds`, wait for the end."""
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
            # Somebody killed the supervisor; what it guarded must not stay.
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
        argv: the program (looked up on the PATH of `env` unless it is a path) and its arguments.
        env: its whole environment.
        cwd: its working directory.
        on_output: called in the event loop with each line of standard output and error, in order,
            without its end.

    Raises:
        OSError: the program or the directory does not exist or may not be used.
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
            # Ctrl-C in the terminal of a cloud in the foreground is the cloud's to handle.
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
    """A port of 127.0.0.1 that nobody is given who asks for any, for a minute.

    A connection on it is left in TIME_WAIT: the system keeps such ports out of those that it picks itself,
    while a server that asks for this very one (with SO_REUSEADDR, as servers do) gets it.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()) as client:
            accepted, _ = listener.accept()
            # Who closes first is the one that waits.
            accepted.close()
            client.recv(1)
        port: int = listener.getsockname()[1]
        return port
