"""Plots as static SVG, drawn by Vega-Lite: no script, and the colours are the page's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.report.tables import Table

# A phone shows a plot at four fifths of its size, so that its text stays readable.
WIDTH, HEIGHT = 380, 280
# Series differ in colour, dashes and symbols. The colours are those of the theme.
COLORS = [f"var(--series-{number})" for number in range(1, 7)]
_DASHES = [[1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [1, 2]]
_SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down"]
_SHORT_NAME = 10
_FONT = "system-ui, sans-serif"
_SOFT, _LINE = "var(--soft)", "var(--line)"
_AXIS = {
    "labelColor": _SOFT,
    "titleColor": _SOFT,
    "gridColor": _LINE,
    "domainColor": _SOFT,
    "tickColor": _SOFT,
    "labelFont": _FONT,
    "titleFont": _FONT,
    "labelFontSize": 13,
    "titleFontSize": 13,
    "titleFontWeight": "normal",
    "labelOverlap": True,
    "labelSeparation": 8,
}
_LEGEND = {
    "labelColor": _SOFT,
    "labelFont": _FONT,
    "labelFontSize": 13,
    "labelLimit": 300,
    "title": None,
    "orient": "top",
    "columnPadding": 28,
    "layout": {"top": {"direction": "vertical", "anchor": "middle", "center": True, "margin": 2}},
    "symbolStrokeWidth": 2,
    "symbolSize": 80,
}
# The browser's font may be wider than the one that the layout was computed with.
_PADDING = {"left": 20, "right": 12, "top": 2, "bottom": 2}
# The page has the table instead of a description of each mark.
_CONFIG = {
    "aria": False,
    "background": "transparent",
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": _LEGEND,
    "text": {"font": _FONT, "fontSize": 13},
    "line": {"strokeWidth": 2},
    "point": {"filled": True, "size": 60},
}


@dataclass(frozen=True)
class Plot:
    """A plot with the data behind it.

    Attributes:
        title: its subject.
        description: how to read it, and its result, for those who do not see it, too.
        specification: the plot in Vega-Lite, https://vega.github.io/vega-lite/docs/spec.html.
        table: its data.
    """

    title: str
    description: str
    specification: Mapping[str, Any]
    table: Table

    def svg(self) -> str | None:
        """The picture; None on a platform for which the library does not exist."""
        # The library is large, and takes a second to start.
        try:
            import vl_convert
        except ImportError:
            return None

        specification = {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "config": _CONFIG,
            "padding": _PADDING,
            **self.specification,
        }
        svg: str = vl_convert.vegalite_to_svg(json.dumps(specification), allowed_base_urls=[])
        return svg


def framed(*layers: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """Layers in one frame of the usual size."""
    frame = {"width": WIDTH, "height": HEIGHT, "autosize": {"type": "fit", "contains": "padding"}}
    return {**frame, **members, "layer": list(layers)}


def values(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows as the data of a plot."""
    return {"values": list(rows)}


def quantity(field: str, title: str, **members: Any) -> dict[str, Any]:
    """An axis of numbers, whose title contains the unit."""
    return {"field": field, "type": "quantitative", "title": title, **members}


def loads(field: str, title: str, numbers: Sequence[float]) -> dict[str, Any]:
    """An axis of loads: they usually double, so that a logarithmic scale separates them."""
    ticks = sorted(set(numbers))
    logarithmic = bool(ticks) and ticks[0] > 0 and ticks[-1] / ticks[0] >= 8
    scale = {"type": "log", "base": 2, "nice": False} if logarithmic else {"zero": False}
    axis = {"values": ticks, "grid": False}
    return quantity(field, title, scale=scale, axis=axis)


def color(field: str, names: Sequence[str]) -> dict[str, Any]:
    """A colour for each name."""
    return _channel(field, names, COLORS)


def lines(
    color_by: tuple[str, Sequence[str]], style_by: tuple[str, Sequence[str]], *, points: bool, **encoding: Any
) -> list[dict[str, Any]]:
    """Layers of lines with their points.

    Args:
        color_by: a field and its values, each with a colour.
        style_by: a field and its values, each with dashes and a symbol; may be the same, for both.
        points: whether the values are marked.
        encoding: the other channels.
    """
    colors = {**encoding, "color": color(*color_by)}
    if not points:
        return [{"mark": "line", "encoding": {**colors, "strokeDash": _channel(*style_by, _DASHES)}}]
    # A layer for each kind of dashes: a channel would also dash the outlines of the legend's symbols.
    field, names = style_by
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "line", "strokeDash": dashes},
            "transform": [{"filter": {"field": field, "equal": name}}],
            "encoding": colors,
        }
        for name, dashes in zip(names, itertools.cycle(_DASHES), strict=False)
    ]
    shapes = _channel(*style_by, _SHAPES)
    return [*layers, {"mark": "point", "encoding": {**colors, "shape": shapes}}]


def _channel(field: str, names: Sequence[str], styles: Sequence[Any]) -> dict[str, Any]:
    chosen = [styles[index % len(styles)] for index in range(len(names))]
    # Only short names fit three times into a line.
    legend = {"columns": 3 if max(map(len, names), default=0) <= _SHORT_NAME else 2}
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(names), "range": chosen},
        "legend": legend if len(names) > 1 else None,
    }
