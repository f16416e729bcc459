"""Run Terraform so that nothing stops it before it has stored its state.

Three events could end Terraform mid-operation and lose state:

- Ctrl-C on a terminal reaches every process of the foreground group, and Terraform takes a second interrupt
  as "stop immediately". So it runs in its own session and receives only the signals sent here.
- A broken pipe kills Terraform when the reader dies. So it writes to a file, which is read as it grows: even
  if the toolkit is killed, Terraform finishes and stores its state.
- On an exception in the toolkit (a closed terminal, a bug), Terraform is interrupted and waited for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

# Interval between reads of the output. Terraform's fastest commands take ten times as long.
POLL_SECONDS = 0.04


@dataclass(frozen=True)
class Invocation:
    """A program to run.

    Attributes:
        argv: program and arguments.
        cwd: its working directory.
        environment: its complete environment.
    """

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """The end of a program.

    Attributes:
        returncode: exit code; the negated signal number if a signal killed it.
        interrupted: whether it was interrupted.
        forced: whether it was interrupted a second time, to stop immediately.
        stderr: its standard error.
    """

    returncode: int
    interrupted: bool
    forced: bool
    stderr: str


class Interruption:
    """Forwards Ctrl-C, SIGTERM and SIGHUP to a child as interrupts.

    A build server that sends SIGINT and then SIGTERM requests one graceful stop. Only a repeated signal is
    forwarded as the second interrupt, on which Terraform stops immediately.
    """

    def __init__(self) -> None:
        self.requested = False
        self.forced = False
        self._seen: set[int] = set()
        self._child: subprocess.Popen[bytes] | None = None

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Forward signals to `child`, including one received earlier."""
        self._child = child
        if self.requested:
            child.send_signal(signal.SIGINT)

    def request(self) -> None:
        """Interrupt the child."""
        if not self.requested:
            self.requested = True
            self._send()

    def receive(self, signum: int, _frame: FrameType | None) -> None:
        """The signal handler; the main loop prints the messages."""
        if signum in self._seen:
            self.forced = True
            self._send()
        self._seen.add(signum)
        self.request()

    def _send(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGINT)

    @contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Handle signals in this block; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = {}
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Keep signals ignored that were ignored at start (nohup).
            if signal.getsignal(signum) is not signal.SIG_IGN:
                former[signum] = signal.signal(signum, self.receive)
        try:
            yield self
        finally:
            for signum, handler in former.items():
                signal.signal(signum, handler)


def run(
    invocation: Invocation,
    *,
    output: Path,
    on_line: Callable[[str], None],
    on_tick: Callable[[Interruption], None],
) -> Outcome:
    """Run a program to its end and read its output as it grows.

    Args:
        invocation: the program.
        output: file for its standard output, kept; standard error goes to the same name with `.stderr`.
        on_line: called with each line of standard output, without the line end.
        on_tick: called about every POLL_SECONDS.
    """
    errors = output.with_suffix(".stderr")
    with Interruption().listening() as interruption:
        with open(output, "wb", opener=_private) as stdout, open(errors, "wb", opener=_private) as stderr:
            child = subprocess.Popen(
                invocation.argv,
                cwd=invocation.cwd,
                env=invocation.environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                # Inheritable descriptors, such as the lock on the build folder, must stay open as long as
                # the program runs; Python makes no others inheritable.
                close_fds=False,
            )
        interruption.attach(child)
        try:
            with output.open("rb") as log:
                _follow(child, log, on_line, lambda: on_tick(interruption))
        finally:
            if child.poll() is None:
                interruption.request()
                child.wait()
            if child.returncode < 0:
                _kill_group(child.pid)
    return Outcome(
        child.returncode,
        interruption.requested,
        interruption.forced,
        errors.read_text(encoding="utf-8", errors="replace"),
    )


def _kill_group(leader: int) -> None:
    """Kill what a killed Terraform started.

    A provider does not notice that Terraform is gone: if it writes nothing, it keeps running and holds the
    inherited lock.
    """
    # The group may be empty; macOS reports "not permitted" if only zombies remain.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _follow(
    child: subprocess.Popen[bytes],
    log: BinaryIO,
    on_line: Callable[[str], None],
    on_tick: Callable[[], None],
) -> None:
    lines = _Lines(on_line)
    running = True
    while running:
        try:
            child.wait(timeout=POLL_SECONDS)
            running = False
        except subprocess.TimeoutExpired:
            pass
        lines.feed(log.read())
        on_tick()
    lines.end()


class _Lines:
    """Splits output into lines; the last one may be incomplete."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest: list[bytes] = []

    def feed(self, data: bytes) -> None:
        *complete, rest = data.split(b"\n")
        for line in complete:
            self._emit(line)
        if rest:
            self._rest.append(rest)

    def end(self) -> None:
        if self._rest:
            self._emit(b"")

    def _emit(self, line: bytes) -> None:
        whole = b"".join([*self._rest, line])
        self._rest.clear()
        if whole.strip():
            self._on_line(whole.decode("utf-8", errors="replace"))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def capture(invocation: Invocation) -> subprocess.CompletedProcess[str]:
    """Run a read-only program and return its output; Ctrl-C ends it immediately.

    The output may contain sensitive values and is never written to a file.
    """
    return subprocess.run(
        invocation.argv,
        cwd=invocation.cwd,
        env=invocation.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
