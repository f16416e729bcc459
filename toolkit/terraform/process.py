"""Runs a program whose end must be waited for, come what may.

Three things can tear Terraform away in the middle of its work, and each would cost state:

- Ctrl-C on a terminal goes to every process of the foreground group. Terraform takes a second interrupt
  as "stop at once", so it runs in a session of its own and gets exactly the signals it is sent here.
- A pipe breaks when its reader dies, and Terraform with it. So it writes to a file, which is read as it
  grows: even if the toolkit is killed, Terraform ends its work and stores its state.
- An exception on this side (a closed terminal, a bug) asks it to stop and still waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

# How often the output is looked at. Terraform's own fastest commands take ten times as long.
POLL_SECONDS = 0.04


@dataclass(frozen=True)
class Invocation:
    """What to run.

    Attributes:
        argv: program and arguments.
        cwd: its working directory.
        environment: all of its environment.
    """

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        returncode: its exit code; negative: the signal that killed it.
        interrupted: it was asked to stop.
        forced: it was asked a second time, to stop at once.
        stderr: what it wrote there.
    """

    returncode: int
    interrupted: bool
    forced: bool
    stderr: str


class Interruption:
    """Passes Ctrl-C, SIGTERM and SIGHUP on to one child: each kind first as a request, then with force.

    A build server that sends SIGINT and a moment later SIGTERM means one thing: only a repetition of the
    same signal is passed on as the second interrupt that makes Terraform drop everything.
    """

    def __init__(self) -> None:
        self.requested = False
        self.forced = False
        self._seen: set[int] = set()
        self._child: subprocess.Popen[bytes] | None = None

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """From now on, signals go to `child`; one that came before goes at once."""
        self._child = child
        if self.requested:
            child.send_signal(signal.SIGINT)

    def request(self) -> None:
        """Ask the child to stop."""
        if not self.requested:
            self.requested = True
            self._send()

    def receive(self, signum: int, _frame: FrameType | None) -> None:
        """The signal handler: only sets marks and passes on, the rest is said by the main loop."""
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
        """Handle the signals until the block ends; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        former = {}
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever started us with a signal ignored (nohup) wants it ignored.
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
    """Run a program to its end, reading the lines it writes as they come.

    Args:
        invocation: what to run.
        output: file for its standard output; it stays. Standard error goes beside it, to `.stderr`.
        on_line: gets each line of standard output, without its end.
        on_tick: called about every POLL_SECONDS while the program runs.
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
                # Python makes no file inheritable by itself: what is, such as a lock on the folder that is
                # worked in, is to last as long as the program does.
                close_fds=False,
            )
        interruption.attach(child)
        try:
            with output.open("rb") as grown:
                _follow(child, grown, on_line, lambda: on_tick(interruption))
        finally:
            if child.poll() is None:
                interruption.request()
                child.wait()
    return Outcome(
        child.returncode,
        interruption.requested,
        interruption.forced,
        errors.read_text(encoding="utf-8", errors="replace"),
    )


def _follow(
    child: subprocess.Popen[bytes],
    grown: BinaryIO,
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
        lines.feed(grown.read())
        on_tick()
    lines.end()


class _Lines:
    """Cuts what was read so far into lines; the last one may still be growing."""

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
    """Run a program that only reads, and return what it wrote; Ctrl-C ends it at once.

    Its output may hold sensitive values, so it never touches a file.
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
