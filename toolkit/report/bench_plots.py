"""The plots of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from toolkit.bench import metrics
from toolkit.report import plots as draw
from toolkit.report import units
from toolkit.report.bench_figures import (
    END_TO_END_LATENCY,
    LATENCIES,
    PERCENTILES,
    Figures,
)
from toolkit.report.plots import Plot
from toolkit.report.tables import Table

# More lines cannot be distinguished.
_MOST_DISTRIBUTIONS = 5
_QUANTILES = (1, 10, 25, 50, 75, 90, 99)
_LOAD = ("target", "load")
_REST, _STREAM = "rest", "stream"


def plots(stages: Sequence[Figures]) -> Iterator[Plot]:
    """All plots for which there are data; those of closed and of open loops are separate."""
    stages = [stage for stage in stages if stage.succeeded]
    closed = [stage for stage in stages if stage.stage.concurrency]
    opened = [stage for stage in stages if not stage.stage.concurrency]
    for group, axis in ((closed, "Concurrency (clients)"), (opened, "Offered load (requests/s)")):
        if not group:
            continue
        yield _throughput(group)
        for latency in LATENCIES:
            if any(stage.percentile(latency, 50) is not None for stage in group):
                yield _percentiles(group, axis, latency)
        if any(stage.metrics.time_to_first_token for stage in group):
            yield _distribution(group)
        if any(stage.metrics.server for stage in group):
            yield _hops(group)


def _lines(stages: Sequence[Figures], percentages: Sequence[int], **encoding: Any) -> list[dict[str, Any]]:
    """The percentiles in dashes and symbols, and the targets, if there are several, in colours."""
    targets = _targets(stages)
    by_percentile = ("percentile", [f"p{percentage}" for percentage in percentages])
    color_by = ("target", targets) if len(targets) > 1 else by_percentile
    return draw.lines(color_by, by_percentile, points=True, **encoding)


def _targets(stages: Sequence[Figures]) -> list[str]:
    return list(dict.fromkeys(stage.target for stage in stages))


def _throughput(stages: Sequence[Figures]) -> Plot:
    tokens = all(stage.metrics.output_tokens_per_second is not None for stage in stages)
    unit = "output tokens/s" if tokens else "requests/s"

    def rate(stage: Figures) -> float | None:
        return stage.metrics.output_tokens_per_second if tokens else stage.metrics.requests_per_second

    percentages = (50, 95)
    rows, cells = [], []
    for stage in stages:
        latencies = [stage.percentile(END_TO_END_LATENCY, percentage) for percentage in percentages]
        for percentage, latency in zip(percentages, latencies, strict=True):
            rows.append(
                {
                    "target": stage.target,
                    "percentile": f"p{percentage}",
                    "rate": rate(stage),
                    "latency": latency,
                    "load": stage.load,
                    "text": units.short(stage.load),
                }
            )
        rate_text = units.per_second(rate(stage))
        cells.append((stage.target, stage.load_text, rate_text, *map(units.seconds, latencies)))
    encoding = {
        "x": draw.quantity("rate", f"Throughput ({unit})", scale={"zero": True}),
        "y": draw.quantity("latency", "End-to-end latency (s)"),
        "order": {"field": "load", "type": "quantitative"},
    }
    loads = {
        "mark": {"type": "text", "dy": -12, "color": "var(--text)"},
        "transform": [{"filter": f"datum.percentile == 'p95' && datum.target == '{stages[0].target}'"}],
        "encoding": {**encoding, "text": {"field": "text"}},
    }
    best = max(stages, key=lambda stage: rate(stage) or 0)
    title = "Throughput against latency"
    return Plot(
        title,
        f"Right and down is better; the numbers are the load. The highest throughput is "
        f"{units.per_second(rate(best))}, at {best.load_text}.",
        draw.framed(*_lines(stages, percentages, **encoding), loads, data=draw.values(rows)),
        Table(title, (*_LOAD, unit.removesuffix("/s"), "total p50", "total p95"), cells, texts=2),
    )


def _percentiles(stages: Sequence[Figures], axis: str, latency: str) -> Plot:
    rows = [
        {"target": stage.target, "percentile": f"p{percentage}", "load": stage.load, "value": value}
        for stage in stages
        for percentage in PERCENTILES
        if (value := stage.percentile(latency, percentage)) is not None
    ]
    encoding = {
        "x": draw.loads("load", axis, [stage.load for stage in stages]),
        "y": draw.quantity("value", f"{LATENCIES[latency]} (s)"),
    }
    names = [f"p{percentage}" for percentage in PERCENTILES]
    lowest = min(stages, key=lambda stage: stage.load)
    highest = max(stages, key=lambda stage: stage.load)
    medians = [
        f"{units.seconds(stage.percentile(latency, 50))} at {stage.load_text}" for stage in (lowest, highest)
    ]
    cells = [(stage.target, stage.load_text, *stage.percentiles(latency)) for stage in stages]
    title = f"{LATENCIES[latency]} against {'concurrency' if stages[0].stage.concurrency else 'offered load'}"
    return Plot(
        title,
        f"The median of the {stages[0].target} is {' and '.join(dict.fromkeys(medians))}.",
        draw.framed(*_lines(stages, PERCENTILES, **encoding), data=draw.values(rows)),
        Table(title, (*_LOAD, *names), cells, texts=2),
    )


def _distribution(stages: Sequence[Figures]) -> Plot:
    measured = [stage for stage in stages if stage.metrics.time_to_first_token]
    loads = _spread(list(dict.fromkeys(stage.load_text for stage in measured)))
    measured = [stage for stage in measured if stage.load_text in loads]
    rows, cells = [], []
    for stage in measured:
        times = sorted(request.first for request in stage.succeeded if request.first is not None)
        quantiles = {share: metrics.percentile(times, share) for share in range(101)}
        rows += [
            {"target": stage.target, "load": stage.load_text, "time": time, "share": share}
            for share, time in quantiles.items()
        ]
        shown = (units.seconds(quantiles[share]) for share in _QUANTILES)
        cells.append((stage.target, stage.load_text, *shown))
    encoding = {
        "x": draw.quantity(
            "time",
            "Time to first token (s)",
            scale={"type": "log", "nice": False},
            axis={"format": "~g", "tickCount": 5},
        ),
        "y": draw.quantity("share", "Requests (%)", axis={"values": [0, 25, 50, 75, 100]}),
        "order": {"field": "share", "type": "quantitative"},
    }
    targets = _targets(measured)
    by_load = ("load", loads)
    lines = draw.lines(
        color_by=by_load,
        style_by=("target", targets) if len(targets) > 1 else by_load,
        points=False,
        **encoding,
    )
    title = "Distribution of time to first token"
    return Plot(
        title,
        "Share of the requests whose first token had arrived after this time; steep is steady.",
        draw.framed(*lines, data=draw.values(rows)),
        Table(title, (*_LOAD, *(f"{share} %" for share in _QUANTILES)), cells, texts=2),
    )


def _spread(loads: Sequence[str]) -> list[str]:
    """The first, the last, and some between."""
    if len(loads) <= _MOST_DISTRIBUTIONS:
        return list(loads)
    step = (len(loads) - 1) / (_MOST_DISTRIBUTIONS - 1)
    return [loads[round(step * number)] for number in range(_MOST_DISTRIBUTIONS)]


def _hops(stages: Sequence[Figures]) -> Plot:
    """The mean time of a request: servers report theirs until the first token."""
    hops = list(dict.fromkeys(hop for stage in stages for hop in stage.metrics.server))
    names = [*hops, _REST, _STREAM]
    several = len(_targets(stages)) > 1
    rows, cells = [], []
    longest = 0.0
    for stage in stages:
        requests = [request for request in stage.succeeded if request.first is not None]
        if not requests:
            continue
        first = fmean(request.first or 0.0 for request in requests)
        parts = {hop: fmean((request.server or {}).get(hop, 0.0) for request in requests) for hop in hops}
        parts[_REST] = max(first - sum(parts.values()), 0.0)
        parts[_STREAM] = max(fmean(request.total for request in requests) - first, 0.0)
        load = f"{stage.target}, {stage.load_text}" if several else stage.load_text
        start = 0.0
        for hop, seconds in parts.items():
            rows.append(
                {"load": load, "hop": hop, "start": start, "end": start + seconds, "seconds": seconds}
            )
            start += seconds
        longest = max(longest, start)
        texts = (units.seconds(seconds) if seconds else units.UNKNOWN for seconds in parts.values())
        cells.append((stage.target, stage.load_text, *texts))
    x = draw.quantity("start", "Mean time per request (s)")
    y = {"field": "load", "type": "nominal", "sort": None, "title": None, "axis": {"labelOverlap": False}}
    bars = {
        "mark": {"type": "bar", "stroke": "var(--paper)"},
        "encoding": {"x": x, "x2": {"field": "end"}, "y": y, "color": draw.color("hop", names)},
    }
    labels = {
        "mark": {"type": "text", "align": "left", "dx": 5, "color": "var(--on-series)"},
        "encoding": {"x": x, "y": y, "text": {"field": "hop"}},
        # A name does not fit into a narrow part.
        "transform": [{"filter": f"datum.seconds > {longest / 4}"}],
    }
    title = "Where the time goes, by hop"
    return Plot(
        title,
        f"From left to right: {', '.join(hops)}, each until the first token; the rest of that time, such as "
        "the network; and the stream after the first token.",
        draw.framed(bars, labels, data=draw.values(rows), height=100 + 24 * len(cells)),
        Table(title, (*_LOAD, *names), cells, texts=2),
    )
