"""The progress of a benchmark: a table that is updated on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from toolkit.bench import text
from toolkit.bench.generator import Progress
from toolkit.bench.metrics import Metrics
from toolkit.bench.results import Generator, Stage
from toolkit.console import PLAIN_INTERVAL_SECONDS, Console
from toolkit.report import units

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

_NUMERIC_FROM: Final = 2


class TerminalDisplay:
    """Shows what is sent, the load generator's limit, and each stage.

    Args:
        console: the terminal or pipe.
        ask: asks the user to confirm; None if nothing needs a confirmation.
    """

    def __init__(self, console: Console, ask: Callable[[], None] | None = None) -> None:
        self._console = console
        self._ask = ask
        self._live: Live | None = None
        self._rows: list[list[str]] = []
        self._last_line = 0.0

    def confirm(self, announcement: str) -> None:
        """Announce what will be sent, and ask if that is needed."""
        self._console.line(announcement)
        if self._ask is not None:
            self._ask()

    def limit(self, generator: Generator) -> None:
        """Show the load generator's own limit."""
        self._console.line(
            f"this machine sends {generator.requests_per_second:.0f} such requests per second, and adds "
            f"{generator.seconds_per_request * 1000:.1f} ms to each"
        )

    def progress(self, progress: Progress) -> None:
        """Show a stage in progress."""
        if self._console.interactive:
            self._update(_running(progress))
        elif time.monotonic() - self._last_line >= PLAIN_INTERVAL_SECONDS:
            self._last_line = time.monotonic()
            phase = "warming up" if progress.warming_up else units.count(progress.done, "request")
            errors = f", {progress.errors} failed" if progress.errors else ""
            self._console.line(
                f"{progress.target}, {progress.load.name}: {phase}{errors}, {progress.in_flight} in flight, "
                f"{progress.seconds:.0f} s"
            )

    def stage(self, stage: Stage, metrics: Metrics) -> None:
        """Show a complete stage."""
        row = text.cells(stage, metrics)
        self._rows.append(row)
        if self._console.interactive:
            self._update(None)
            return
        self._last_line = time.monotonic()
        figures = zip(text.HEADERS[_NUMERIC_FROM:], row[_NUMERIC_FROM:], strict=False)
        self._console.line(f"{row[0]}, {row[1]}: {', '.join(f'{name} {value}' for name, value in figures)}")

    def close(self) -> None:
        """Remove the table; the report has it."""
        if self._live is not None:
            self._live.update("", refresh=True)
            self._live.stop()
            self._live = None

    def _update(self, running: list[str] | None) -> None:
        table = self._table(running)
        if self._live is None:
            from rich.console import Console as RichConsole
            from rich.live import Live

            # Without its own thread: the load generator decides when there is time.
            terminal = RichConsole(stderr=True, force_terminal=True)
            self._live = Live(table, console=terminal, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(table, refresh=True)

    def _table(self, running: list[str] | None) -> Table:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        width = max(map(len, [*self._rows, running or []]))
        for index, name in enumerate(text.HEADERS[:width]):
            table.add_column(name, justify="left" if index < _NUMERIC_FROM else "right")
        for row in self._rows:
            table.add_row(*row)
        if running is not None:
            table.add_row(*running, style="cyan")
        return table


def _running(progress: Progress) -> list[str]:
    """The row of a stage in progress, as far as it is known without much work."""
    first = "" if progress.first is None else f"mean {progress.first * 1000:,.0f} ms"
    rates = ["", "", ""]
    if progress.seconds > 0:
        rates = [f"{progress.output_tokens / progress.seconds:.1f}", ""]
        rates.append(f"{(progress.done - progress.errors) / progress.seconds:.2f}")
    count = "warm-up" if progress.warming_up else f"{progress.done} (+{progress.in_flight})"
    return [progress.target, progress.load.name, count, str(progress.errors), first, "", "", *rates]
