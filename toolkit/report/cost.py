"""Estimated costs as text."""

from __future__ import annotations

from toolkit.cost.estimate import HOURS_PER_MONTH, NOT_INCLUDED, Estimate, dollars


def text(estimate: Estimate) -> str:
    """A table of the items and their sum, in US dollars."""
    rows = [("", "", "per hour", "per day", "per month")]
    for item in estimate.items:
        rows.append((item.name, item.details, *_cells(item.minimum, item.maximum)))
    rows.append(("total", "", *_cells(estimate.per_hour("minimum"), estimate.per_hour("maximum"))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    sources = sorted({item.source for item in estimate.items if item.source})
    notes = [estimate.headline(), *(f"prices: {source}" for source in sources), NOT_INCLUDED]
    return "\n".join([*lines, "", *notes])


def _cells(minimum: float | None, maximum: float | None) -> tuple[str, str, str]:
    if minimum is None or maximum is None:
        return "unknown", "unknown", "unknown"
    hour, day, month = (
        dollars(minimum * hours) + (f" to {dollars(maximum * hours)}" if maximum > minimum else "")
        for hours in (1, 24, HOURS_PER_MONTH)
    )
    return hour, day, month
