"""Two benchmarks compared: what differs in what was measured, and which metrics differ significantly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate
from statistics import fmean
from typing import Any, Literal

from toolkit.bench.metrics import percentile, time_per_output_token
from toolkit.bench.results import Benchmark, Request, Stage
from toolkit.bench.statistics import (
    LEVEL,
    Difference,
    holm,
    mean_difference,
    percentile_difference,
    required,
    share_difference,
)
from toolkit.bench.text import load
from toolkit.deployment import measured
from toolkit.errors import InputError, RegressionError

# More requests than are required, because successive ones resemble each other.
_RESERVE = 2
# Parts of a stage whose rates are compared.
_PARTS = 20
Verdict = Literal["better", "worse", "no significant difference", "too few requests"]


@dataclass(frozen=True)
class Row:
    """A metric of a stage in both benchmarks.

    Attributes:
        target: where it was measured.
        load: such as `8 clients`.
        metric: its name.
        unit: of the figures: `s`, `1/s` or `%`.
        before: the first figure.
        after: the second figure.
        low: lower end of the 95 % confidence interval of the difference; None with too few requests.
        high: upper end.
        p: probability of such a difference by chance, adjusted for the number of comparisons.
        verdict: whether the second is better.
        requests_needed: requests per stage that are probably enough; None if these are.
    """

    target: str
    load: str
    metric: str
    unit: str
    before: float
    after: float
    low: float | None
    high: float | None
    p: float | None
    verdict: Verdict
    requests_needed: int | None = None

    @property
    def percent(self) -> float | None:
        """The change in percent of the first figure, or in percentage points of shares; None if unknown."""
        if self.unit == "%":
            return self.after - self.before
        return 100 * (self.after - self.before) / self.before if self.before else None


@dataclass(frozen=True)
class Comparison:
    """Two compared benchmarks.

    Attributes:
        before: name of the first.
        after: name of the second.
        subject: what differs in what was measured, a phrase each.
        workload: what differs in the workload; if anything does, no metric is compared.
        rows: the metrics of the stages that both have.
        unmatched: stages that only one of them has.
    """

    before: str
    after: str
    subject: tuple[str, ...]
    workload: tuple[str, ...]
    rows: tuple[Row, ...]
    unmatched: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether both had the same workload, and a stage with the same load."""
        return not self.workload and bool(self.rows)

    @property
    def not_compared(self) -> list[Row]:
        """The metrics with too few requests."""
        return [row for row in self.rows if row.p is None]

    @property
    def notes(self) -> list[str]:
        """Stages and metrics that were not compared, and the remedy."""
        notes = list(self.unmatched)
        if rows := self.not_compared:
            notes.append(
                f"{len(rows)} of {len(self.rows)} metrics were not compared: too few requests; {self.remedy}"
            )
        return notes

    @property
    def remedy(self) -> str:
        """How to compare all metrics."""
        needed = max((row.requests_needed or 0 for row in self.rows), default=0)
        return f"measure both with --requests {needed}" if needed else "measure both with the same options"

    def regressions(self, percent: float) -> list[Row]:
        """The metrics that are significantly worse by at least so many percent."""
        return [
            row
            for row in self.rows
            if row.verdict == "worse" and (row.percent is None or abs(row.percent) >= percent)
        ]

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {
            "before": self.before,
            "after": self.after,
            "comparable": self.comparable,
            "not_compared": len(self.not_compared),
            "subject": list(self.subject),
            "workload": list(self.workload),
            "metrics": [{**asdict(row), "percent": row.percent} for row in self.rows],
            "unmatched": list(self.unmatched),
        }


def compare(before: Benchmark, after: Benchmark, names: tuple[str, str] = ("A", "B")) -> Comparison:
    """Compare two benchmarks.

    Args:
        before: the first.
        after: the second.
        names: what to call them.
    """
    workload = tuple(_changes(_described(before), _described(after)))
    first, second = ({key(stage): stage for stage in benchmark.stages} for benchmark in (before, after))
    common = [name for name in first if name in second]
    unmatched = [
        f"{label(stage)}: only in {name}"
        for name, stages, others in ((names[0], first, second), (names[1], second, first))
        for stage_key, stage in stages.items()
        if stage_key not in others
    ]
    rows: list[Row] = []
    if not workload:
        rows = _adjusted([row for name in common for row in _rows(first[name], second[name])])
    return Comparison(
        *names,
        subject=tuple(subject_changes(before, after)),
        workload=workload,
        rows=tuple(rows),
        unmatched=tuple(unmatched),
    )


def subject_changes(before: Benchmark, after: Benchmark) -> Iterator[str]:
    """The differences between the measured deployments, a phrase each."""
    for name in ("environment", "model", "toolkit"):
        yield from measured.change(name, getattr(before, name), getattr(after, name))
    yield from measured.differences(before.subject, after.subject, tuple(measured.WORDS))


def key(stage: Stage) -> tuple[str, int | None, float | None]:
    """The identity of a stage in a benchmark."""
    return stage.target, stage.concurrency, stage.rate


def label(stage: Stage) -> str:
    """The name of a stage for people."""
    return f"{stage.target}, {load(stage)}"


def _described(benchmark: Benchmark) -> dict[str, Any]:
    """The settings that decide what a request is; the seed decides only which of them are sent."""
    # The digest of a data set covers the number of its prompts.
    return {
        name: value for name, value in benchmark.workload.items() if name not in ("seed", "dataset_prompts")
    }


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        yield from measured.change(name, before.get(name, "unset"), after.get(name, "unset"))


@dataclass(frozen=True)
class _Metric:
    """A metric of single requests.

    Attributes:
        name: its name.
        value: of a request; None if it has none.
    """

    name: str
    value: Callable[[Request], float | None]


_LATENCIES = (
    _Metric("time to first token", lambda request: request.first),
    _Metric("time per output token", time_per_output_token),
    _Metric("end-to-end latency", lambda request: request.total),
)
_PERCENTILES = (50, 95)
_REQUEST_RATE = "requests per second"


def _rows(before: Stage, after: Stage) -> Iterator[Row]:
    """The metrics of a stage; their probabilities are not adjusted yet."""

    fewest = min(len(before.requests), len(after.requests))

    def row(metric: str, unit: str, first: float, second: float, difference: Difference | None) -> Row:
        verdict: Verdict = "too few requests"
        if difference is not None:
            verdict = "worse" if (second < first if unit == "1/s" else second > first) else "better"
        return Row(
            target=before.target,
            load=load(before),
            metric=metric,
            unit=unit,
            before=first,
            after=second,
            low=None if difference is None else difference.low,
            high=None if difference is None else difference.high,
            p=None if difference is None else difference.p,
            verdict=verdict,
        )

    for metric in _LATENCIES:
        first, second = _sample(before, metric), _sample(after, metric)
        if not first or not second:
            continue
        for percent in _PERCENTILES:
            figures = percentile(first, percent), percentile(second, percent)
            difference = percentile_difference(first, second, percent)
            compared = row(f"{metric.name}, p{percent}", "s", *figures, difference)
            if difference is None:
                compared = replace(compared, requests_needed=_needed(required(percent), fewest))
            yield compared
    for name, tokens in (("output tokens per second", True), (_REQUEST_RATE, False)):
        # An open loop has the same rate of requests by design.
        first, second = _rates(before, tokens=tokens), _rates(after, tokens=tokens)
        if first and second and (tokens or before.rate is None):
            yield row(name, "1/s", fmean(first), fmean(second), mean_difference(first, second))
    failures = [sum(request.error is not None for request in stage.requests) for stage in (before, after)]
    counts = len(before.requests), len(after.requests)
    if all(counts):
        shares = share_difference((failures[0], counts[0]), (failures[1], counts[1]))
        percents = shares and replace(shares, low=100 * shares.low, high=100 * shares.high)
        yield row("errors", "%", 100 * failures[0] / counts[0], 100 * failures[1] / counts[1], percents)


def _needed(required: int, requests: int) -> int:
    """Number of requests, in tens, after so many were too few."""
    return math.ceil(max(_RESERVE * required, 2 * requests if requests >= required else 0) / 10) * 10


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    tested = [row for row in rows if row.p is not None]
    probabilities = iter(holm([row.p for row in tested if row.p is not None]))
    adjusted = []
    for row in rows:
        if row.p is None:
            adjusted.append(row)
            continue
        p = next(probabilities)
        significant = p < LEVEL and row.before != row.after
        adjusted.append(
            replace(row, p=p, verdict=row.verdict if significant else "no significant difference")
        )
    return adjusted


def _sample(stage: Stage, metric: _Metric) -> list[float]:
    values = (metric.value(request) for request in stage.requests if request.error is None)
    return [value for value in values if value is not None]


def _rates(stage: Stage, *, tokens: bool) -> list[float]:
    """The rate of output tokens or responses in equal parts of a stage, in the order of time.

    The tokens of a response are spread over the parts of its stream. The last response ends with the stage.
    """
    served = [request for request in stage.requests if request.error is None]
    if tokens:
        served = [request for request in served if request.output_tokens is not None]
    if not served:
        return []
    width = stage.seconds / _PARTS
    sums = [0.0] * _PARTS
    for request in served:
        arrivals = [request.started + request.total]
        if tokens and request.first is not None:
            arrivals = list(accumulate(request.gaps, initial=request.started + request.first))
        share = (request.output_tokens or 0) / len(arrivals) if tokens else 1.0
        for arrival in arrivals:
            sums[min(int(arrival / width), _PARTS - 1)] += share
    return [total / width for total in sums]


def raise_for_regressions(comparison: Comparison, percent: float) -> None:
    """Fail if the second benchmark is worse.

    Args:
        comparison: the compared benchmarks.
        percent: the least change that counts.

    Raises:
        InputError: they cannot be compared, neither latencies nor the rate of a closed loop.
        RegressionError: a metric is significantly worse by at least so many percent.
    """
    if not comparison.rows:
        reason = "the workloads differ" if comparison.workload else "no stage has the same target and load"
        raise InputError(
            f"cannot compare the benchmarks: {reason}", remedy="measure both with the same options"
        )
    worse = comparison.regressions(percent)
    if worse:
        raise RegressionError(
            f"{len(worse)} of {len(comparison.rows)} metrics are worse by at least {percent:g} %",
            details=[f"{row.target}, {row.load}: {row.metric}" for row in worse],
            remedy="see what differs in the deployments above",
        )
    # An open loop has the rate of its arrivals, however slow the deployment is.
    performance = (row for row in comparison.rows if row.unit == "s" or row.metric == _REQUEST_RATE)
    if all(row.p is None for row in performance):
        raise InputError(
            "cannot compare the benchmarks: too few requests for every latency", remedy=comparison.remedy
        )
