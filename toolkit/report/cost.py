"""Estimated costs as text and Markdown."""

from __future__ import annotations

from toolkit.cost.estimate import HOURS_PER_MONTH, NOT_INCLUDED, Estimate, dollars
from toolkit.report.markdown import escape

_Row = tuple[str, str, str, str, str]


def text(estimate: Estimate) -> str:
    """A table of the items and their sum, in US dollars."""
    rows = _rows(estimate)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, "", estimate.headline(), *_notes(estimate)])


def markdown(estimate: Estimate) -> str:
    """The same, for a comment on a pull request."""
    head, *rows = _rows(estimate)
    separator = ("---", "---", "---:", "---:", "---:")
    table = [f"| {' | '.join(map(escape, row))} |" for row in rows]
    lines = [
        f"### {escape(estimate.headline())}",
        "",
        f"| {' | '.join(head)} |",
        f"| {' | '.join(separator)} |",
    ]
    return "\n".join([*lines, *table, "", *(f"{escape(note)}  " for note in _notes(estimate))])


def _rows(estimate: Estimate) -> list[_Row]:
    items = [(item.name, item.details, *_cells(item.minimum, item.maximum)) for item in estimate.items]
    total = ("total", "", *_cells(estimate.per_hour("minimum"), estimate.per_hour("maximum")))
    return [("", "", "per hour", "per day", "per month"), *items, total]


def _notes(estimate: Estimate) -> list[str]:
    sources = sorted({item.source for item in estimate.items if item.source})
    above = [f"Above the ceiling: {estimate.violation}"] if estimate.violation else []
    problem = estimate.price_problem
    why = [f"not from the Price List API: {problem}"] if problem else []
    return [*above, *(f"prices: {source}" for source in sources), *why, NOT_INCLUDED]


def _cells(minimum: float | None, maximum: float | None) -> tuple[str, str, str]:
    if minimum is None or maximum is None:
        return "unknown", "unknown", "unknown"
    hour, day, month = (
        dollars(minimum * hours) + (f" to {dollars(maximum * hours)}" if maximum > minimum else "")
        for hours in (1, 24, HOURS_PER_MONTH)
    )
    return hour, day, month
