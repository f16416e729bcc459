"""A benchmark as an HTML page and as a comment on a pull request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from toolkit.bench import text
from toolkit.bench.results import INTERRUPTED, Benchmark
from toolkit.report import bench_plots, units
from toolkit.report import markdown as comments
from toolkit.report.bench_figures import LATENCIES, PERCENTILES, Figures, figures
from toolkit.report.tables import Table

_SUBJECT = {
    "weights": "weights",
    "image": "image",
    "options": "options",
    "instance_type": "instance type",
    "instances": "instances",
    "gateway": "gateway code",
    "release": "release",
}
_OBJECTIVES: dict[str, tuple[str, Callable[[float], str]]] = {
    "time_to_first_token": ("time to first token", units.seconds),
    "inter_token_latency": ("inter-token latency", units.seconds),
    "total": ("end-to-end latency", units.seconds),
    "error_rate": ("errors", units.percent),
    "percentile": ("percentile", units.short),
}
_MOST_ERRORS, _MOST_NOTES, _LONGEST_NOTE = 50, 20, 300


def html(benchmark: Benchmark) -> str:
    """One self-contained page."""
    from toolkit.report import html as pages

    stages = figures(benchmark)
    return pages.page(
        "bench",
        benchmark=benchmark,
        measured=_measured(benchmark),
        verdict=_verdict(stages),
        notes=_notes(benchmark),
        tables=list(_tables(stages)),
        plots=list(bench_plots.plots(stages)),
        deployment=list(_deployment(benchmark)),
        workload=list(_workload(benchmark)),
    )


def markdown(benchmark: Benchmark) -> str:
    """A comment of at most the size that GitHub accepts."""
    stages = figures(benchmark)
    head = [
        f"<!-- toolkit bench: {benchmark.environment} {benchmark.model} -->",
        f"### Benchmark of `{benchmark.model}` in `{benchmark.environment}`: {_verdict(stages)[1]}",
        "",
        *(f"- {comments.escape(note)}" for note in _notes(benchmark)),
        "",
    ]
    rows = [*_deployment(benchmark), *_workload(benchmark)]
    conditions = Table("Deployment and workload", ("setting", "value"), rows, texts=2)
    sections = [
        comments.Section(table.title, list(table.as_markdown()), is_open=table is not conditions)
        for table in (*_tables(stages), conditions)
    ]
    foot = f"\n<sub>{comments.escape(_measured(benchmark))}</sub>"
    return comments.compose(head, sections, foot, "toolkit bench show --html")


def _verdict(stages: Sequence[Figures]) -> tuple[str, str]:
    """Whether all stages are complete and all requests succeeded: a state of the theme, and a sentence."""
    requests = sum(stage.metrics.requests for stage in stages)
    failures = sum(stage.failures for stage in stages)
    stopped = [stage.stage.stopped for stage in stages if stage.stage.stopped]
    state, phrase = "warn" if stopped else "good", f"{units.count(requests, 'request')}, no errors"
    if failures:
        share = units.percent(failures / requests)
        state, phrase = "bad", f"{failures:,} of {units.count(requests, 'request')} failed ({share})"
    elif not requests:
        state, phrase = "bad", "no requests"
    if INTERRUPTED in stopped:
        return state, f"interrupted: {phrase}"
    return state, f"{units.count(len(stopped), 'stage')} stopped early: {phrase}" if stopped else phrase


def _notes(benchmark: Benchmark) -> list[str]:
    """Facts without which the figures mislead."""
    notes = [" ".join(note.split()) for note in text.notes(benchmark)]
    cut = [note if len(note) <= _LONGEST_NOTE else f"{note[:_LONGEST_NOTE]}…" for note in notes]
    return cut if len(cut) <= _MOST_NOTES else [*cut[:_MOST_NOTES], f"and {len(cut) - _MOST_NOTES} more"]


def _measured(benchmark: Benchmark) -> str:
    return f"measured {benchmark.started} by version {benchmark.toolkit} of the toolkit"


def _deployment(benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    for name, title in _SUBJECT.items():
        value = getattr(benchmark.subject, name)
        if value is not None:
            yield title, str(value)


def _workload(benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    for name, value in _readable(benchmark.workload):
        yield name, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    for name, limit in benchmark.objectives.items():
        words, unit = _OBJECTIVES.get(name, (name, units.short))
        yield f"objective: {words}", unit(limit)
    generator = benchmark.generator
    rate = units.per_second(generator.requests_per_second)
    yield (
        "limit of the load generator",
        f"{rate}, {units.seconds(generator.seconds_per_request)} per request",
    )


def _readable(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        yield name.replace("_", " "), value


def _tables(stages: Sequence[Figures]) -> Iterator[Table]:
    columns = ["target", "load", "requests", "failed", "duration", "request rate", "output tokens", "goodput"]
    rows = [_throughput(stage) for stage in stages]
    # Without objectives, there is no goodput.
    if all(stage.metrics.goodput is None for stage in stages):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    yield Table("Throughput by load", columns, rows, texts=2)
    short = ("first token", "inter-token", "total")
    titles = [f"{name} p{percentage}" for name in short for percentage in PERCENTILES]
    cells = [
        (stage.target, stage.load_text, *(text for name in LATENCIES for text in stage.percentiles(name)))
        for stage in stages
    ]
    yield Table("Latency of the requests that succeeded", ("target", "load", *titles), cells, texts=2)
    errors = [
        (stage.target, stage.load_text, error, f"{count:,}")
        for stage in stages
        for error, count in stage.metrics.errors.items()
    ]
    if errors:
        yield Table("Errors", ("target", "load", "error", "requests"), errors[:_MOST_ERRORS], texts=3)


def _throughput(stage: Figures) -> tuple[str, ...]:
    return (
        stage.target,
        stage.load_text,
        f"{stage.metrics.requests:,}",
        f"{stage.failures:,}",
        units.seconds(stage.metrics.seconds),
        units.per_second(stage.metrics.requests_per_second),
        units.per_second(stage.metrics.output_tokens_per_second),
        units.per_second(stage.metrics.goodput),
    )
