"""The plots of a comparison: the change of each metric with its confidence interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from toolkit.bench.compare import Comparison, Row
from toolkit.report import plots as draw
from toolkit.report.plots import Plot
from toolkit.report.tables import Table

# Height of a metric, and width of the panel: the metrics' names take the rest of the page.
_LINE, _WIDTH = 26, 200
# Word, colour and symbol of each verdict.
_STYLES = {
    "better": ("better", "var(--good)", "circle"),
    "worse": ("worse", "var(--bad)", "square"),
    "no significant difference": ("not significant", "var(--series-6)", "cross"),
}
# The metrics' names are long, and the browser's font may be wider.
_PADDING = {"left": 36, "right": 16, "top": 2, "bottom": 2}


def plots(comparison: Comparison) -> Iterator[Plot]:
    """A plot for each target and load; metrics without an interval, and shares of errors, are left out."""
    drawable = [row for row in comparison.rows if row.before and row.low is not None and row.unit != "%"]
    for (target, load), rows in groupby(drawable, key=lambda row: (row.target, row.load)):
        yield _plot(f"{target}, {load}", list(rows))


def _plot(stage: str, rows: Sequence[Row]) -> Plot:
    points = [
        {
            "metric": row.metric,
            "verdict": _STYLES[row.verdict][0],
            "change": row.percent,
            "low": _percent(row.low, row),
            "high": _percent(row.high, row),
        }
        for row in rows
    ]
    styles = [style for verdict, style in _STYLES.items() if any(row.verdict == verdict for row in rows)]
    words, colors, shapes = map(list, zip(*styles, strict=True))
    legend = {"columns": 3} if len(words) > 1 else None
    by_verdict = {"type": "nominal", "field": "verdict", "legend": legend}
    color = {**by_verdict, "scale": {"domain": words, "range": colors}}
    shape = {**by_verdict, "scale": {"domain": words, "range": shapes}}
    axis = {"labelLimit": 220, "labelOverlap": False}
    y = {"field": "metric", "type": "nominal", "sort": None, "title": None, "axis": axis}
    title = "Change (%)"
    zero = {"mark": {"type": "rule", "color": "var(--soft)"}, "encoding": {"x": {"datum": 0}}}
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"x": draw.quantity("low", title), "x2": {"field": "high"}, "y": y, "color": color},
    }
    change = {
        "mark": {"type": "point", "size": 80},
        "encoding": {"x": draw.quantity("change", title), "y": y, "color": color, "shape": shape},
    }
    groups = []
    for word in ("worse", "better"):
        if metrics := [row.metric for row in rows if row.verdict == word]:
            groups.append(f"{word}: {', '.join(metrics)}")
    summary = "; ".join(groups) or "no metric differs significantly"
    cells = [
        (
            str(point["metric"]),
            row.verdict,
            *(f"{point[name]:+z.1f} %" for name in ("change", "low", "high")),
        )
        for point, row in zip(points, rows, strict=True)
    ]
    return Plot(
        f"Changes of {stage}",
        f"{summary[0].upper()}{summary[1:]}. Lines are 95 % confidence intervals of the second benchmark's "
        "change from the first.",
        {
            "width": _WIDTH,
            "height": _LINE * len(rows),
            "padding": _PADDING,
            "data": draw.values(points),
            "layer": [zero, interval, change],
        },
        Table(f"Changes of {stage}", ("metric", "verdict", "change", "from", "to"), cells, texts=2),
    )


def _percent(difference: float | None, row: Row) -> float:
    return 100 * (difference or 0.0) / row.before
