"""A report of requests, tokens and costs, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

_SMALLEST_SHOWN = Decimal("0.0001")
# Spreadsheets take text that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Tally:
    """Sums of requests.

    Attributes:
        requests: all that reached the gateway.
        errors: those that ended in an error; a client that disconnects is none.
        unmetered: those that a model answered without a token count, such as a stream that was cut.
        input_tokens: tokens of prompts.
        output_tokens: generated tokens.
    """

    requests: int = 0
    errors: int = 0
    unmetered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Tally) -> Tally:
        added = asdict(other)
        return Tally(**{name: count + added[name] for name, count in asdict(self).items()})


@dataclass(frozen=True)
class Row:
    """A group of requests.

    Attributes:
        group: what they have in common; None for requests without a key or a model.
        tally: their sums.
        dollars: the price of their tokens; None if the price of one of their models is unknown.
    """

    group: Mapping[str, str | None]
    tally: Tally
    dollars: Decimal | None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            **self.group,
            **asdict(self.tally),
            "dollars": None if self.dollars is None else float(self.dollars),
        }


@dataclass(frozen=True)
class Usage:
    """A report.

    Attributes:
        environment: its name.
        since: beginning of the period.
        until: end of the period, exclusive.
        by: what the requests are grouped by.
        rows: the groups, sorted.
        total: all requests.
        models_without_price: models that answered requests, and whose price is unknown.
        prices: whether the price of any model is known.
        missing_before: earlier requests are not in the log any more; None if the whole period is.
        unreadable: lines in another format, which are not counted.
    """

    environment: str
    since: datetime
    until: datetime
    by: Sequence[str]
    rows: Sequence[Row]
    total: Row
    models_without_price: Sequence[str]
    prices: bool
    missing_before: datetime | None
    unreadable: int

    def as_json(self) -> str:
        """The report for programs."""
        before = self.missing_before
        document = {
            "environment": self.environment,
            "since": _iso(self.since),
            "until": _iso(self.until),
            "by": list(self.by),
            "rows": [row.as_json() for row in self.rows],
            "total": self.total.as_json(),
            "models_without_price": list(self.models_without_price),
            "missing_before": None if before is None else _iso(before),
            "unreadable_lines": self.unreadable,
        }
        return json.dumps(document, indent=2, ensure_ascii=False)

    def as_csv(self) -> str:
        """The rows as CSV with a header, without the total."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.by, *asdict(Tally()), "dollars"])
        for row in self.rows:
            names = [_cell(row.group[dimension] or "") for dimension in self.by]
            dollars = "" if row.dollars is None else f"{row.dollars:f}"
            writer.writerow([*names, *asdict(row.tally).values(), dollars])
        return text.getvalue().rstrip("\n")

    def as_table(self) -> str:
        """The rows and their total for people; with dollars if any price is known."""
        titles = [
            "requests",
            "errors",
            "input tokens",
            "output tokens",
            *(["dollars"] if self.prices else []),
        ]
        lines = [[*self.by, *titles]]
        lines += [[*_names(row.group[name] for name in self.by), *self._sums(row)] for row in self.rows]
        lines.append(["total", *[""] * (len(self.by) - 1), *self._sums(self.total)])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(self._aligned(line, widths)).rstrip() for line in lines)

    @property
    def period_text(self) -> str:
        """The period for people."""
        return f"from {clock(self.since)} to {clock(self.until)}"

    def notes(self) -> Iterator[str]:
        """Requests and prices that are missing in the sums."""
        if self.missing_before is not None:
            before = clock(self.missing_before)
            yield f"requests before {before} are not counted: api.log_retention_days has passed"
        if self.total.tally.unmetered:
            count = _counted(self.total.tally.unmetered, "request")
            yield f"{count} without token counts, such as interrupted streams: their tokens are missing"
        if self.unreadable:
            yield f"{_counted(self.unreadable, 'log line')} in an unknown format: not counted"
        if self.prices and self.models_without_price:
            names = ", ".join(self.models_without_price)
            yield f"unknown price of {names}: set models.NAME.price in the environment file"
        elif self.prices and self.rows:
            yield "dollars: at the current prices of the environment file"

    def _sums(self, row: Row) -> list[str]:
        tally = row.tally
        counts = (tally.requests, tally.errors, tally.input_tokens, tally.output_tokens)
        return [f"{count:,}" for count in counts] + ([_dollars(row.dollars)] if self.prices else [])

    def _aligned(self, line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
        for index, (text, width) in enumerate(zip(line, widths, strict=True)):
            yield text.ljust(width) if index < len(self.by) else text.rjust(width)


def clock(moment: datetime) -> str:
    """A time for people."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _names(names: Iterable[str | None]) -> Iterator[str]:
    for name in names:
        text = "(none)" if name is None else name
        yield "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cell(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name


def _dollars(dollars: Decimal | None) -> str:
    if dollars is None:
        return "unknown"
    return f"<{_SMALLEST_SHOWN}" if 0 < dollars < _SMALLEST_SHOWN else f"{dollars:,.4f}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
