"""A benchmark as an HTML page and as a comment on a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.bench.results import Benchmark
from toolkit.report import bench_plots, units
from toolkit.report import markdown as comments
from toolkit.report.bench_figures import MEASURES, PERCENTILES, Figures, figures
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
_MOST_ERRORS = 50


def html(benchmark: Benchmark) -> str:
    """One self-contained page."""
    from toolkit.report import html as pages

    return pages.page(
        "bench",
        benchmark=benchmark,
        measured=_measured(benchmark),
        verdict=_verdict(benchmark),
        notes=list(_notes(benchmark)),
        tables=list(_tables(benchmark)),
        plots=list(bench_plots.plots(benchmark)),
        deployment=list(_deployment(benchmark)),
        workload=list(_workload(benchmark)),
    )


def markdown(benchmark: Benchmark) -> str:
    """A comment of at most the size that GitHub accepts."""
    head = [
        f"<!-- toolkit bench: {benchmark.environment} {benchmark.model} -->",
        f"### Benchmark of `{benchmark.model}` in `{benchmark.environment}`: {_verdict(benchmark)[1]}",
        "",
        *(f"> {comments.escape(note)}" for note in _notes(benchmark)),
        "",
    ]
    rows = [*_deployment(benchmark), *_workload(benchmark)]
    conditions = Table("Deployment and workload", ("setting", "value"), rows, texts=2)
    sections = [
        comments.Section(table.title, list(table.as_markdown()), is_open=table is not conditions)
        for table in (*_tables(benchmark), conditions)
    ]
    foot = f"\n<sub>{comments.escape(_measured(benchmark))}</sub>"
    return comments.compose(head, sections, foot, "toolkit bench show --html")


def _verdict(benchmark: Benchmark) -> tuple[str, str]:
    """Whether all requests succeeded: a state of the theme, and a sentence."""
    requests = sum(len(stage.requests) for stage in benchmark.stages)
    failures = sum(stage.failures for stage in figures(benchmark))
    if not requests:
        return "bad", "no requests"
    if not failures:
        return "good", f"{units.count(requests, 'request')}, no errors"
    share = units.percent(failures / requests)
    return "bad", f"{failures:,} of {units.count(requests, 'request')} failed ({share})"


def _notes(benchmark: Benchmark) -> Iterator[str]:
    """Stages that ended early."""
    for stage in figures(benchmark):
        if stage.stage.stopped:
            yield f"{stage.target}, {stage.load_text}: ended early, {stage.stage.stopped}"


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
    for name, seconds in _readable(benchmark.objectives):
        yield f"objective: {name}", units.seconds(seconds)
    generator = benchmark.generator
    limit = units.per_second(generator.requests_per_second)
    yield (
        "limit of the load generator",
        f"{limit}, {units.seconds(generator.seconds_per_request)} per request",
    )


def _readable(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        yield name.replace("_", " "), value


def _tables(benchmark: Benchmark) -> Iterator[Table]:
    stages = figures(benchmark)
    columns = ("target", "load", "requests", "failed", "duration", "request rate", "output tokens")
    yield Table("Throughput by load", columns, list(map(_throughput, stages)), texts=2)
    short = ("first token", "inter-token", "total")
    titles = [f"{name} p{percentage}" for name in short for percentage in PERCENTILES]
    rows = [
        (
            stage.target,
            stage.load_text,
            *(text for measure in MEASURES.values() for text in stage.percentiles(measure)),
        )
        for stage in stages
    ]
    yield Table("Latency of the requests that succeeded", ("target", "load", *titles), rows, texts=2)
    errors = Counter(
        (stage.target, stage.load_text, request.error)
        for stage in stages
        for request in stage.stage.requests
        if request.error is not None
    )
    if errors:
        counts = [
            (target, load, str(error), f"{count:,}")
            for (target, load, error), count in errors.most_common(_MOST_ERRORS)
        ]
        yield Table("Errors", ("target", "load", "error", "requests"), counts, texts=3)


def _throughput(stage: Figures) -> tuple[str, ...]:
    return (
        stage.target,
        stage.load_text,
        f"{len(stage.stage.requests):,}",
        f"{stage.failures:,}",
        units.seconds(stage.stage.seconds),
        units.per_second(stage.requests_per_second),
        units.per_second(stage.tokens_per_second),
    )
