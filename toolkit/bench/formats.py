"""Stored benchmarks, comparisons and suggestions as text and Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from toolkit.bench import comparison_plots, metrics, text
from toolkit.bench.compare import Comparison, Row, label
from toolkit.bench.records import Record
from toolkit.bench.results import Benchmark, Stage
from toolkit.bench.suggest import Point, Suggestion, milliseconds, per_million
from toolkit.console import printable
from toolkit.cost.prices import Price
from toolkit.deployment.measured import WORDS
from toolkit.report import html, units
from toolkit.report.markdown import Section, compose, escape
from toolkit.report.tables import Table, aligned

_MARKS = {"better": "✅", "worse": "❌", "no significant difference": "", "too few requests": "❔"}
_SIGNIFICANT = ("better", "worse")
_NONE = "—"


def as_list(records: Sequence[Record]) -> str:
    """A table of stored benchmarks."""
    lines = [["id", "release", "instances", "target", "load", "tokens/s"]]
    for record in records:
        if record.benchmark is None:
            lines.append([record.id, f"cannot be read: {record.damage}"])
            continue
        benchmark, subject = record.benchmark, record.benchmark.subject
        tokens = [metrics.of_stage(stage).output_tokens_per_second or 0 for stage in benchmark.stages]
        lines.append(
            [
                record.id,
                str(subject.release or _NONE),
                f"{subject.instances} x {subject.instance_type}",
                ", ".join(sorted({stage.target for stage in benchmark.stages})),
                _loads(benchmark.stages),
                f"{max(tokens, default=0):,.1f}",
            ]
        )
    return aligned(lines)


def list_data(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Stored benchmarks for programs, without their requests."""
    return [
        {"id": record.id, "damage": record.damage}
        | ({} if record.benchmark is None else text.as_data(record.benchmark))
        for record in records
    ]


def show(name: str, benchmark: Benchmark, price: Price | None) -> str:
    """A benchmark for people.

    Args:
        name: its id or file.
        benchmark: the benchmark.
        price: of an instance and hour; None if it is unknown.
    """
    lines = [
        name,
        f"{benchmark.started}, toolkit {benchmark.toolkit}",
        *(f"  {WORDS[member]}: {value}" for member, value in asdict(benchmark.subject).items()),
        *text.lines(benchmark),
        *costs(benchmark, price),
    ]
    return "\n".join(_one_line(line) if "\n" not in line else printable(line) for line in lines)


def costs(benchmark: Benchmark, price: Price | None) -> Iterator[str]:
    """The cost of output tokens in each stage; nothing if the price or the tokens are unknown.

    Args:
        benchmark: the benchmark.
        price: of an instance and hour; None if it is unknown.
    """
    if price is None or not benchmark.subject.instances:
        return
    for stage in benchmark.stages:
        tokens = metrics.of_stage(stage).output_tokens_per_second
        dollars = per_million(price.dollars * benchmark.subject.instances, tokens)
        if dollars is not None:
            yield f"{label(stage)}: {dollars:,.2f} dollars per million output tokens"
    yield _cost_note(price)


def comparison(result: Comparison) -> str:
    """A comparison for people."""
    lines = [f"A: {_one_line(result.before)}", f"B: {_one_line(result.after)}", ""]
    lines += _section("measured", result.subject, "the same deployment")
    lines += _section("workload", result.workload, "the same workload")
    if not result.comparable:
        lines.append(_headline(result))
    rows = [["target", "load", "metric", "A", "B", "change", "95 % interval of B - A", ""]]
    rows += [_cells(row) for row in result.rows]
    if result.rows:
        lines += ["", aligned(rows)]
    lines += [_one_line(f"note: {phrase}") for phrase in result.notes]
    return "\n".join(lines)


def comparison_html(result: Comparison) -> str:
    """A comparison as a self-contained page: what differs, significant differences, then all metrics."""
    changed = [row for row in result.rows if row.verdict in _SIGNIFICANT]
    columns = ("target", "load", "metric", "verdict", "before", "after", "change", "95 % interval")

    def table_of(title: str, rows: Sequence[Row]) -> Table:
        cells = [_cells(row) for row in rows]
        return Table(title, columns, [(*row[:3], row[-1], *row[3:-1]) for row in cells], texts=4)

    worse = any(row.verdict == "worse" for row in changed)
    complete = result.comparable and not result.not_compared
    return html.page(
        "compare",
        comparison=result,
        verdict=("bad" if worse else "good" if complete else "warn", _headline(result)),
        plots=list(comparison_plots.plots(result)),
        tables=[
            *([table_of("Significant differences", changed)] if changed else []),
            *([table_of("All metrics", result.rows)] if result.rows else []),
        ],
    )


def _headline(result: Comparison) -> str:
    if not result.comparable:
        reason = "the workloads differ" if result.workload else "no stage has the same target and load"
        return f"not comparable: {reason}"
    changed = [row for row in result.rows if row.verdict in _SIGNIFICANT]
    worse = sum(row.verdict == "worse" for row in changed)
    counts = [f"{worse} worse", f"{len(changed) - worse} better"]
    if result.not_compared:
        counts.append(f"{len(result.not_compared)} not compared")
    return f"{', '.join(counts)}, of {len(result.rows)} metrics"


def comparison_markdown(result: Comparison) -> str:
    """A comparison as a comment on a pull request: significant differences, then all metrics, collapsed.

    It has at most the size that GitHub accepts.
    """
    changed = [row for row in result.rows if row.verdict in _SIGNIFICANT]
    phrases = [*result.subject, *result.workload] or ["the same deployment and workload"]
    phrases += result.notes
    head = [
        "<!-- toolkit bench compare -->",
        f"### Benchmark: {_headline(result)}",
        "",
        f"`{_code(result.before)}` → `{_code(result.after)}`",
        "",
    ]
    titles = ["", "target", "load", "metric", "before", "after", "change", "95 % interval"]
    columns = [f"| {' | '.join(titles)} |", "|---|---|---|---|---:|---:|---:|---|"]

    def line(row: Row) -> str:
        cells = [_MARKS[row.verdict], *_cells(row)[:-1]]
        return f"| {' | '.join(escape(_one_line(cell)) for cell in cells)} |"

    points = [f"- {escape(_one_line(phrase))}" for phrase in phrases]
    sections = [Section("deployment and workload", points, is_open=True)]
    if changed:
        sections.append(Section("significant differences", [*columns, *map(line, changed)], is_open=True))
    if result.rows:
        sections.append(Section(f"all {len(result.rows)} metrics", [*columns, *map(line, result.rows)]))
    return compose(head, sections, "", "toolkit bench compare --html")


def suggestion(result: Suggestion, price: Price | None) -> str:
    """A suggestion for people, with the curve that it rests on."""
    names = list(dict.fromkeys(name for point in result.curve for name in point.latencies))
    titles = [
        "measured",
        "in progress",
        "requests/s",
        "tokens/s",
        *(_WORDS[name] for name in names),
        "objectives",
    ]
    rows = [titles]
    for point in result.curve:
        rows.append(
            [
                point.name,
                f"{point.concurrency:.1f}",
                f"{point.rate:.2f}",
                _number(point.tokens),
                *(_time(point, name) for name in names),
                "exceeded" if point.exceeded else "met" + (" ←" if point == result.point else ""),
            ]
        )
    lines = ["per instance:", aligned(rows), ""]
    lines.append(
        f"for {text.rate(result.rate)} with {result.headroom_percent:g} % headroom: "
        f"{units.count(result.instances, 'instance')}, concurrent_requests: {result.concurrent_requests:g}"
    )
    if result.dollars_per_million is not None and price is not None:
        lines.append(f"{result.dollars_per_million:,.2f} dollars per million output tokens at this rate")
        lines.append(_cost_note(price))
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


_WORDS = {
    "time_to_first_token": "first token",
    "inter_token_latency": "per token",
    "total": "total",
}


def _section(title: str, phrases: Iterable[str], otherwise: str) -> Iterator[str]:
    phrases = list(phrases)
    yield f"{title}: {otherwise}" if not phrases else f"{title}:"
    yield from (f"  {_one_line(phrase)}" for phrase in phrases)


def _cells(row: Row) -> list[str]:
    interval = _NONE
    if row.low is not None and row.high is not None:
        interval = f"{_figure(row.low, row.unit)} to {_figure(row.high, row.unit)}"
    change = _NONE if row.percent is None else f"{row.percent:+z.1f} %"
    if row.unit == "%":
        change = f"{row.after - row.before:+z.2f} points"
    figures = [_figure(row.before, row.unit), _figure(row.after, row.unit)]
    return [row.target, row.load, row.metric, *figures, change, interval, row.verdict]


def _figure(value: float, unit: str) -> str:
    if unit == "s":
        return f"{1000 * value:z,.1f} ms"
    return f"{value:z,.2f} %" if unit == "%" else f"{value:z,.2f}/s"


def _time(point: Point, name: str) -> str:
    return milliseconds(point.latencies[name]) if name in point.latencies else _NONE


def _number(value: float | None, decimals: int = 1) -> str:
    return _NONE if value is None else f"{value:,.{decimals}f}"


def _loads(stages: Iterable[Stage]) -> str:
    return ", ".join(dict.fromkeys(map(text.load, stages)))


def _cost_note(price: Price) -> str:
    source = str(price)
    return f"note: at {price.dollars:g} dollars per instance and hour ({source})"


def _one_line(line: str) -> str:
    return printable(" ".join(line.split("\n")))


def _code(name: str) -> str:
    return _one_line(name).replace("`", "'")
