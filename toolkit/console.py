"""What a user sees while a command runs: a live line on a terminal, plain lines in a pipe.

Progress and messages go to standard error; standard output carries data only, so that
`toolkit outputs --json | jq` works whatever else is said.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.status import Status

# In a pipe an unchanged wait is mentioned this often, so that a CI log shows life without drowning.
PLAIN_INTERVAL_SECONDS = 10.0


class Progress:
    """One lasting piece of work, from `Console.progress`."""

    def __init__(self, console: Console, title: str, status: Status | None) -> None:
        self._console = console
        self._title = title
        self._status = status
        self._last_plain = time.monotonic()

    def update(self, text: str) -> None:
        """Show the present state; may be called as often as it changes."""
        if self._status is not None:
            from rich.markup import escape

            self._status.update(escape(self._titled(text)))
        elif time.monotonic() - self._last_plain >= PLAIN_INTERVAL_SECONDS:
            self.line(self._titled(text))

    def change(self, text: str) -> None:
        """Say something that `update` shows too: a line in a pipe, where nobody sees the live line."""
        if self._status is None:
            self.line(text)

    def _titled(self, text: str) -> str:
        return f"{self._title} {text}" if text.startswith("(") else f"{self._title}: {text}"

    def line(self, text: str) -> None:
        """Say something that stays."""
        self._last_plain = time.monotonic()
        self._console.line(text)


class Console:
    """The terminal or pipe that a command talks to.

    Args:
        out: where data goes.
        err: where everything else goes.
        interactive: whether a person watches; by default, whether `err` is a terminal and `CI` is unset.
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
        """Write what the user asked for to standard output."""
        print(text, file=self._out, flush=True)

    def line(self, text: str = "") -> None:
        """Write a line that stays to standard error."""
        if self._status is not None:
            # Through rich, so that the live line moves below it.
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self._err, flush=True)

    def warning(self, text: str) -> None:
        """Say what the user should know but need not act on."""
        self.line(f"warning: {text}")

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show that work is under way until the block ends; blocks may nest, the outer line pauses."""
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
        """Ask yes or no on the terminal; the answer is no unless `y` or `yes` is typed."""
        print(f"{question} [y/N] ", end="", file=self._err, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
