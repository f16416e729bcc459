"""Estimated costs as text and Markdown."""

from __future__ import annotations

from toolkit.console import printable
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
    now: list[_Row] = []
    if estimate.current is not None:
        now = [
            (f"{item.name} now", item.details, *_cells(item.minimum, item.maximum))
            for item in estimate.current
        ]
        hour = estimate.current_per_hour
        now.append(("total now", "", *_cells(hour, hour)))
    return [("", "", "per hour", "per day", "per month"), *items, total, *now]


def _notes(estimate: Estimate) -> list[str]:
    priced = (*estimate.items, *(estimate.current or ()))
    sources = sorted(
        {item.source for item in priced if item.source} | {cost.source for cost in estimate.tokens}
    )
    above = [f"Above the ceiling: {estimate.violation}"] if estimate.violation else []
    tokens = [
        printable(
            f"{cost.model}: {dollars(cost.dollars_per_million)} per million output tokens at {cost.details}"
        )
        for cost in estimate.tokens
    ]
    unknown = [f"Current capacity: unknown: {estimate.current_problem}"] if estimate.current_problem else []
    problem = estimate.price_problem
    why = [f"not from the Price List API: {problem}"] if problem else []
    return [*above, *unknown, *tokens, *(f"prices: {source}" for source in sources), *why, NOT_INCLUDED]


def _cells(minimum: float | None, maximum: float | None) -> tuple[str, str, str]:
    if minimum is None or maximum is None:
        return "unknown", "unknown", "unknown"
    hour, day, month = (
        dollars(minimum * hours) + (f" to {dollars(maximum * hours)}" if maximum > minimum else "")
        for hours in (1, 24, HOURS_PER_MONTH)
    )
    return hour, day, month
