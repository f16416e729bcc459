"""The program on a real terminal: a pseudo-terminal with its own session."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.checkout import clean_environment
from tests.support.patience import HANG_SECONDS, wait_for

# The terminal becomes the one that Ctrl-C of this process group belongs to.
_ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
CTRL_C = "\x03"


@dataclass
class Terminal:
    """A terminal, and the program that runs on it."""

    process: subprocess.Popen[bytes]
    _descriptor: int
    _output: bytearray = field(default_factory=bytearray)
    _start: int = 0

    def send(self, text: str) -> None:
        """Type text; what is waited for next must appear after it."""
        self._start = len(self.output)
        os.write(self._descriptor, text.encode())

    def wait(self, text: str) -> None:
        """Wait until text appears after what was typed."""
        wait_for(lambda: self._shows(text) or self.process.poll() is not None, f"{text!r} in {self.output!r}")
        assert self._shows(text), self.output

    def _shows(self, text: str) -> bool:
        return text in self.output[self._start :]

    @property
    def output(self) -> str:
        """Everything that the terminal shows, without the codes of line editing."""
        while select.select([self._descriptor], [], [], 0)[0]:
            try:
                self._output += os.read(self._descriptor, 65536)
            except OSError:  # the program has ended
                break
        return self._output.decode(errors="replace").replace("\r\n", "\n")

    def exit_code(self) -> int:
        """Wait for the end of the program."""
        wait_for(
            lambda: self.output is not None and self.process.poll() is not None, "the end of the program"
        )
        return self.process.returncode


@contextmanager
def terminal(arguments: Sequence[str], cwd: Path) -> Iterator[Terminal]:
    """Run `toolkit` with these arguments on a terminal."""
    controller, device = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, sys.executable, "-m", "toolkit", *arguments],
        cwd=cwd,
        # Without bracketed paste and colours.
        env=clean_environment(TERM="dumb", COLUMNS="200"),
        stdin=device,
        stdout=device,
        stderr=device,
        start_new_session=True,
    )
    os.close(device)
    try:
        yield Terminal(process, controller)
    finally:
        process.kill()
        process.wait(HANG_SECONDS)
        os.close(controller)
