"""Progress and messages of a command: a live line on a terminal, plain lines in a pipe.

Progress and messages go to standard error; standard output carries data only, so that
`toolkit outputs --json | jq` works with any messages.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.status import Status

# In a pipe, an unchanged wait is repeated at this interval, so that a CI log shows activity but stays short.
PLAIN_INTERVAL_SECONDS = 10.0
# Control characters except tab and newline, and those that change the direction of text.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Text without control characters, so that names, logs and errors cannot control a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


class Progress:
    """One long-running task, from `Console.progress`."""

    def __init__(self, console: Console, title: str, status: Status | None) -> None:
        self._console = console
        self._title = title
        self._status = status
        self._last_plain = time.monotonic()

    def update(self, text: str) -> None:
        """Show the current state; may be called for every change."""
        if self._status is not None:
            from rich.markup import escape

            self._status.update(escape(printable(self._titled(text))))
        elif time.monotonic() - self._last_plain >= PLAIN_INTERVAL_SECONDS:
            self.line(self._titled(text))

    def change(self, text: str) -> None:
        """Print a change that `update` also shows, if there is no live line."""
        if self._status is None:
            self.line(text)

    def _titled(self, text: str) -> str:
        return f"{self._title} {text}" if text.startswith("(") else f"{self._title}: {text}"

    def line(self, text: str) -> None:
        """Print a permanent line."""
        self._last_plain = time.monotonic()
        self._console.line(text)


class Console:
    """The terminal or pipe of a command.

    Args:
        out: stream for data.
        err: stream for everything else.
        interactive: whether to show a live line; by default, if `err` is a terminal and `CI` is unset.
    """

    def __init__(
        self, out: TextIO | None = None, err: TextIO | None = None, interactive: bool | None = None
    ) -> None:
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
        self.interactive = (self._err.isatty() and not in_ci) if interactive is None else interactive
        self._status: Status | None = None

    def data(self, text: str) -> None:
        """Write requested data to standard output; a pipe receives it unchanged."""
        print(printable(text) if self._out.isatty() else text, file=self._out, flush=True)

    def part(self, text: str) -> None:
        """Write the next characters of requested data to standard output, without a line break."""
        print(printable(text) if self._out.isatty() else text, end="", file=self._out, flush=True)

    def line(self, text: str = "") -> None:
        """Write a permanent line to standard error."""
        text = printable(text)
        if self._status is not None:
            # Through rich, so that the live line moves below it.
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self._err, flush=True)

    def warning(self, text: str) -> None:
        """Print a warning that needs no immediate action."""
        self.line(f"warning: {text}")

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show progress until the block ends; in nested blocks, the outer line pauses."""
        title = printable(title)
        if not self.interactive:
            self.line(f"{title} …")
            yield Progress(self, title, None)
            return
        from rich.console import Console as RichConsole
        from rich.markup import escape

        outer = self._status
        if outer is not None:
            outer.stop()
        status = RichConsole(file=self._err).status(escape(f"{title} …"))
        self._status = status
        try:
            with status:
                yield Progress(self, title, status)
        finally:
            self._status = outer
            if outer is not None:
                outer.start()

    def confirm(self, question: str) -> bool:
        """Ask for confirmation on the terminal; only `y` and `yes` confirm."""
        print(f"{printable(question)} [y/N] ", end="", file=self._err, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
