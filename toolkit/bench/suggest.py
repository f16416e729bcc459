"""Instances and scaling target for a wanted rate of requests, from the measured stages of a benchmark.

Little's law relates them: requests in progress = rate of requests x their mean time. Only measured stages
count: between and beyond them, nothing is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from toolkit.bench import metrics
from toolkit.bench.compare import label
from toolkit.bench.metrics import percentile, time_per_output_token
from toolkit.bench.results import Benchmark, Request, Stage, Target
from toolkit.errors import InputError

DEFAULT_HEADROOM_PERCENT = 20.0
# Objectives without one are judged by it.
_PERCENTILE = 95.0
# A stage with fewer requests has no 95th percentile to speak of.
_LEAST_REQUESTS = 20
# Lowest share of the highest rate at which a stage is as useful as that with the highest rate.
_SATURATION = 0.95
# The measured number of requests in progress may differ from that of the clients by this factor.
_LITTLE_TOLERANCE = 0.15
# With fewer requests in progress, a request hardly ever waits for another one.
_IDLE = 0.1
# Names of latencies for people, and their values.
_LATENCIES: dict[str, tuple[str, Callable[[Request], float | None]]] = {
    "time_to_first_token": ("time to first token", lambda request: request.first),
    "inter_token_latency": ("inter-token latency", time_per_output_token),
    "total": ("end-to-end latency", lambda request: request.total),
}
_ERRORS = "error_rate"
# Without an objective: a deployment that refuses requests is overloaded.
_MOST_ERRORS = 0.01


@dataclass(frozen=True)
class Point:
    """A stage as a point of the curve, by instance.

    Attributes:
        name: the stage.
        concurrency: mean number of requests in progress, by Little's law.
        rate: successful requests per second.
        tokens: output tokens per second; None if the server does not count them.
        latencies: the percentile of each latency that has an objective, in seconds.
        errors: share of failed requests.
        exceeded: the objectives that it does not meet, a phrase each.
    """

    name: str
    concurrency: float
    rate: float
    tokens: float | None
    latencies: Mapping[str, float]
    errors: float
    exceeded: tuple[str, ...]


@dataclass(frozen=True)
class Suggestion:
    """The capacity for a rate.

    Attributes:
        target: where the latencies were measured.
        rate: the wanted rate, requests per second.
        headroom_percent: capacity kept free.
        point: the stage that it rests on.
        instances: number of instances.
        concurrent_requests: scaling target, requests in progress per instance.
        curve: all stages, by their load.
        notes: limits of the measurement.
        dollars_per_million: of output tokens at the wanted rate; None if a price or the tokens are unknown.
    """

    target: Target
    rate: float
    headroom_percent: float
    point: Point
    instances: int
    concurrent_requests: float
    curve: tuple[Point, ...]
    notes: tuple[str, ...]
    dollars_per_million: float | None = None

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def suggest(  # noqa: PLR0913 - each named by the caller
    benchmark: Benchmark,
    rate: float,
    *,
    objectives: Mapping[str, float] | None = None,
    headroom_percent: float = DEFAULT_HEADROOM_PERCENT,
    target: Target | None = None,
    cost_per_hour: float | None = None,
) -> Suggestion:
    """The capacity for a rate under the objectives of the benchmark.

    Args:
        benchmark: the measured stages.
        rate: wanted requests per second.
        objectives: times in seconds, share of errors, and percentile; by default those of the benchmark.
        headroom_percent: capacity to keep free for fluctuations and for the time until a new instance serves.
        target: where latencies must meet the objectives; by default at the API if that was measured.
        cost_per_hour: price of one instance in dollars.

    Raises:
        InputError: the benchmark does not answer it, and which stage to measure.
    """
    targets = {stage.target for stage in benchmark.stages}
    target = target or ("api" if "api" in targets else "runtime")
    stages = [stage for stage in benchmark.stages if stage.target == target]
    objectives = benchmark.objectives if objectives is None else objectives
    checked = {name: limit for name, limit in objectives.items() if name in (*_LATENCIES, _ERRORS)}
    _require(benchmark, stages, checked, target)
    checked.setdefault(_ERRORS, _MOST_ERRORS)
    instances = benchmark.subject.instances
    percent = float(objectives.get("percentile", _PERCENTILE))
    curve = _curve(stages, instances, checked, percent)
    best = _best(curve, stages, checked[_ERRORS])
    free = 1 + headroom_percent / 100
    number = max(1, math.ceil(rate * free / best.rate - 1e-9))
    tokens = None if best.tokens is None else best.tokens / best.rate * rate
    return Suggestion(
        target=target,
        rate=rate,
        headroom_percent=headroom_percent,
        point=best,
        instances=number,
        concurrent_requests=max(0.1, math.floor(best.concurrency / free * 10) / 10),
        curve=tuple(curve),
        notes=tuple(_notes(benchmark, stages, curve, best, number)),
        dollars_per_million=None if cost_per_hour is None else per_million(cost_per_hour * number, tokens),
    )


def _curve(
    stages: Sequence[Stage], instances: int, limits: Mapping[str, float], percent: float
) -> list[Point]:
    """The stages with enough requests, by their load.

    Raises:
        InputError: there is none.
    """
    enough = [stage for stage in stages if len(stage.requests) >= _LEAST_REQUESTS]
    if not enough:
        longest = max((len(stage.requests) for stage in stages), default=0)
        raise InputError(
            f"cannot suggest a capacity: no stage has {_LEAST_REQUESTS} requests, the longest has {longest}",
            remedy="measure longer",
        )
    points = (_point(stage, instances, limits, percent) for stage in enough)
    return sorted(points, key=lambda point: point.concurrency)


def _best(curve: Sequence[Point], stages: Sequence[Stage], most_errors: float) -> Point:
    """The point at which an instance serves most.

    Raises:
        InputError: even the lowest load exceeds an objective.
    """
    # A stage counts only if all with less load met the objectives, too.
    valid = list(takewhile(lambda point: not point.exceeded, curve))
    if not valid:
        lowest = curve[0]
        stage = {label(stage): stage for stage in stages}[lowest.name]
        raise InputError(
            f"cannot suggest a capacity: at the lowest measured load, {lowest.name}, "
            f"{'; '.join(lowest.exceeded)}",
            remedy=_remedy(lowest, stage, most_errors),
        )
    # Above saturation, more load means longer queues and hardly more throughput.
    most = max(point.rate for point in valid)
    return next(point for point in valid if point.rate >= _SATURATION * most)


def per_million(dollars_per_hour: float, tokens_per_second: float | None) -> float | None:
    """Dollars per million tokens; None without tokens."""
    return dollars_per_hour / (tokens_per_second * 3600) * 1e6 if tokens_per_second else None


def _require(
    benchmark: Benchmark, stages: Sequence[Stage], limits: Mapping[str, float], target: Target
) -> None:
    command = f"toolkit bench --env {benchmark.environment} --model {benchmark.model}"
    reason, remedy = "", command
    if not stages:
        reason, remedy = f"nothing was measured at the {target}", f"{command} --target {target}"
    elif not limits:
        reason = f"{benchmark.model} had no objectives when it was measured"
        remedy = f"set models.{benchmark.model}.objectives, and measure again: {command}"
    elif not benchmark.subject.instances:
        reason, remedy = "a serverless endpoint has no instances", "set max_concurrency instead"
    elif ": " in benchmark.subject.instance_type:
        reason = "the model's variants have different instance types"
        remedy = "measure each variant as a model"
    if reason:
        raise InputError(f"cannot suggest a capacity: {reason}", remedy=remedy)


def _point(stage: Stage, instances: int, limits: Mapping[str, float], percent: float) -> Point:
    figures = metrics.of_stage(stage)
    served = [request for request in stage.requests if request.error is None]
    latencies: dict[str, float] = {}
    exceeded = []
    for name, limit in limits.items():
        if name == _ERRORS:
            if figures.error_rate > limit:
                exceeded.append(
                    f"{100 * figures.error_rate:.3g} % of requests failed, above {100 * limit:g} %"
                )
            continue
        words, measure = _LATENCIES[name]
        values = [value for request in served if (value := measure(request)) is not None]
        if values:
            latencies[name] = percentile(values, percent)
            if latencies[name] > limit:
                figure = f"{milliseconds(latencies[name])} (p{percent:g})"
                exceeded.append(f"the {words} is {figure}, above {milliseconds(limit)}")
    if not served:
        exceeded.append("every request failed")
    times = [request.total for request in served]
    mean = sum(times) / len(times) if times else 0.0
    tokens = figures.output_tokens_per_second
    return Point(
        name=label(stage),
        concurrency=figures.requests_per_second * mean / instances,
        rate=figures.requests_per_second / instances,
        tokens=None if tokens is None else tokens / instances,
        latencies=latencies,
        errors=figures.error_rate,
        exceeded=tuple(exceeded),
    )


def milliseconds(seconds: float) -> str:
    """A time for people."""
    return f"{1000 * seconds:,.0f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def _remedy(lowest: Point, stage: Stage, most_errors: float) -> str:
    """The remedy if the lowest load exceeds an objective."""
    if lowest.errors > most_errors:
        otherwise = "see the failed requests with `toolkit bench show`"
    else:
        otherwise = "use a faster instance, or raise the objective"
    # Less load would not change the latency of one request at a time.
    if stage.concurrency == 1 or (stage.rate is not None and lowest.concurrency < _IDLE):
        return otherwise
    return f"measure less load: {_load_option(stage, 0.5)}; or {otherwise}"


def _load_option(stage: Stage, factor: float) -> str:
    """The option for a load of the same kind as a stage, such as twice its clients."""
    if stage.rate is not None:
        return f"--rate {stage.rate * factor:.3g}"
    return f"--concurrency {max(1, int((stage.concurrency or 1) * factor))}"


def _notes(
    benchmark: Benchmark,
    stages: Sequence[Stage],
    curve: Sequence[Point],
    best: Point,
    number: int,
) -> list[str]:
    notes = []
    instances = benchmark.subject.instances
    by_name = {label(stage): stage for stage in stages}
    following = next(iter(curve[curve.index(best) + 1 :]), None)
    if following is None:
        notes.append(
            "the highest measured load met the objectives, so that an instance may serve more; find its "
            f"limit with `{_load_option(by_name[best.name], 2)}`"
        )
    elif following.exceeded and following.concurrency > 2 * best.concurrency:
        rates = by_name[best.name].rate, by_name[following.name].rate
        if rates[0] is not None and rates[1] is not None:
            between = f"--rate {(rates[0] + rates[1]) / 2:.3g}"
        else:
            middle = (following.concurrency + best.concurrency) / 2 * instances
            between = f"--concurrency {math.ceil(middle)}"
        notes.append(f"the limit is between {best.name} and {following.name}; find it with `{between}`")
    if number > instances:
        counted = "1 instance was" if instances == 1 else f"{instances} instances were"
        notes.append(f"{counted} measured: that {number} serve in proportion is an assumption")
    if any(stage.stopped for stage in stages):
        notes.append("a stage ended early")
    points = {point.name: point for point in curve}
    for stage in stages:
        point = points.get(label(stage))
        if point is None or stage.concurrency is None or point.errors:
            continue
        busy = point.concurrency * instances
        if abs(busy / stage.concurrency - 1) > _LITTLE_TOLERANCE:
            notes.append(
                f"{point.name}: {busy:.3g} requests were in progress on average (Little's law), "
                f"not {stage.concurrency}: the stage was short, or the clients were slow"
            )
    return notes
