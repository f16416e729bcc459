"""Benchmarks as text: a table of stages and notes on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

from toolkit.bench.metrics import Distribution, Metrics, of_stage
from toolkit.bench.results import Benchmark, Stage

HEADERS = (
    "target",
    "load",
    "requests",
    "errors",
    "first token p50 / p99",
    "per token p50 / p99",
    "end to end p50 / p99",
    "tokens/s",
    "per user",
    "requests/s",
    # Only with objectives for latencies.
    "goodput/s",
)
_MISSING = "-"
CONTEXT_EXCEEDED = "HTTP 400 context_length_exceeded"
_HINTS = {CONTEXT_EXCEEDED: "; lower --input-tokens or --output-tokens, or shorten the prompts"}
# A gap between tokens is not measured well if the stream's parts have several of them.
_TOKENS_PER_PART = 1.1
_DELAY_SHARE = 0.05
# An open loop has a backlog if it serves less than this share of its rate, and if its last third takes longer
# by this factor than its first one; with fewer requests in each, chance decides.
_KEPT_UP, _GROWTH, _LEAST_FOR_TREND = 0.9, 1.5, 4


def cells(stage: Stage, metrics: Metrics) -> list[str]:
    """The row of a stage."""
    per_user = metrics.output_tokens_per_second_per_user
    row = [
        stage.target,
        load(stage),
        str(metrics.requests),
        str(sum(metrics.errors.values())),
        *map(
            _pair,
            (metrics.time_to_first_token, metrics.time_per_output_token, metrics.end_to_end_latency),
        ),
        _number(metrics.output_tokens_per_second),
        _number(per_user.p50 if per_user else None),
        _number(metrics.requests_per_second),
    ]
    return row if metrics.goodput is None else [*row, _number(metrics.goodput)]


def load(stage: Stage) -> str:
    """The load of a stage: `4 clients`, `0.5 requests/s`."""
    if stage.rate is not None:
        return rate(stage.rate)
    return "1 client" if stage.concurrency == 1 else f"{stage.concurrency} clients"


def rate(number: float) -> str:
    """`1 request/s`, `0.5 requests/s`."""
    return f"{number:g} request{'' if number == 1 else 's'}/s"


def table(benchmark: Benchmark) -> str:
    """The stages, aligned in columns."""
    rows = _rows(benchmark)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(_aligned, range(len(row)), row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _rows(benchmark: Benchmark) -> list[list[str]]:
    """The table with its head."""
    rows = [cells(stage, of_stage(stage, benchmark.objectives)) for stage in benchmark.stages]
    return [list(HEADERS[: max(map(len, rows), default=0)]), *rows]


def notes(benchmark: Benchmark) -> list[str]:
    """Facts without which the figures mislead."""
    lines = []
    if note := _repetition(benchmark):
        lines.append(note)
    for stage in benchmark.stages:
        metrics = of_stage(stage, benchmark.objectives)
        lines += [f"{stage.target}, {load(stage)}: {note}" for note in _stage_notes(stage, metrics)]
    return lines


def _repetition(benchmark: Benchmark) -> str | None:
    prompts = int(benchmark.workload.get("dataset_prompts", 0))
    requests = sum(len(stage.requests) for stage in benchmark.stages)
    if not 0 < prompts < requests:
        return None
    repeat = "the prompt repeats" if prompts == 1 else f"the {prompts} prompts repeat"
    return (
        f"{repeat}: the data set has fewer than the {requests} requests, and a prefix cache of the engine "
        "makes the first tokens of a repeated prompt faster"
    )


def _backlog(stage: Stage, metrics: Metrics) -> str | None:
    """Whether requests arrived faster than they were served: each waited longer than those before it."""
    served = [request.total for request in stage.requests if request.error is None]
    third = len(served) // 3
    if stage.rate is None or third < _LEAST_FOR_TREND or metrics.requests_per_second > _KEPT_UP * stage.rate:
        return None
    if fmean(served[-third:]) < _GROWTH * fmean(served[:third]):
        return None
    rate = _number(metrics.requests_per_second)
    return f"the model did not keep up: it served {rate} requests/s, and latencies grew until the end"


def _stage_notes(stage: Stage, metrics: Metrics) -> list[str]:
    lines = [f"stopped early: {stage.stopped}"] if stage.stopped else []
    lines += [
        f"{count} request{'' if count == 1 else 's'} failed: {reason}{_HINTS.get(reason, '')}"
        for reason, count in metrics.errors.items()
    ]
    if backlog := _backlog(stage, metrics):
        lines.append(backlog)
    served = [request for request in stage.requests if request.error is None]
    counted = [request for request in served if request.output_tokens]
    if served and not counted:
        lines.append("the server reports no token counts, so there are no figures per token")
    ratios = [(request.output_tokens or 0) / (len(request.gaps) + 1) for request in counted]
    if ratios and fmean(ratios) > _TOKENS_PER_PART:
        lines.append(
            f"the server counts {fmean(ratios):.1f} tokens for each part of its streams, so gaps "
            "between parts are not those between tokens"
        )
    if ratios and fmean(ratios) < 1 / _TOKENS_PER_PART:
        lines.append(f"the server counts only {fmean(ratios):.1f} tokens for each part of its streams")
    latency = metrics.end_to_end_latency
    if latency and metrics.delay and metrics.delay.p99 > _DELAY_SHARE * latency.p50:
        lines.append(f"the load generator sent requests up to {metrics.delay.p99 * 1000:.0f} ms late (p99)")
    return lines


def _pair(distribution: Distribution | None) -> str:
    if distribution is None:
        return _MISSING
    return f"{_time(distribution.p50)} / {_time(distribution.p99)}"


def _time(seconds: float) -> str:
    return f"{_number(seconds * 1000)} ms" if seconds < 1 else f"{seconds:.2f} s"


def _number(value: float | None) -> str:
    if value is None:
        return _MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _aligned(index: int, text: str, width: int) -> str:
    pad: Callable[[int], str] = text.ljust if index < 2 else text.rjust
    return pad(width)


def summary(benchmark: Benchmark) -> str:
    """One line about what was measured."""
    values = {name: value for name, value in benchmark.workload.items() if value and value is not True}
    parts = [f"{name.replace('_', ' ')} {value}" for name, value in values.items()]
    return f"{benchmark.model} in {benchmark.environment}: {', '.join(parts)}"


def lines(benchmark: Benchmark) -> Sequence[str]:
    """The whole report."""
    return [summary(benchmark), "", table(benchmark), *(f"note: {note}" for note in notes(benchmark))]


def as_json(benchmark: Benchmark) -> str:
    """The metrics of all stages, without single requests; times in seconds."""
    return json.dumps(as_data(benchmark), indent=2, ensure_ascii=False)


def as_data(benchmark: Benchmark) -> dict[str, Any]:
    """As `as_json`, before it is text."""
    members = asdict(benchmark)
    members["notes"] = [note for note in (_repetition(benchmark),) if note]
    members["stages"] = [
        {
            "target": stage.target,
            "concurrency": stage.concurrency,
            "rate": stage.rate,
            "stopped": stage.stopped,
            **asdict(of_stage(stage, benchmark.objectives)),
            "notes": _stage_notes(stage, of_stage(stage, benchmark.objectives)),
        }
        for stage in benchmark.stages
    ]
    return members
