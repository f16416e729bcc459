"""The metrics of a benchmark, by the definitions of the field.

docs/reference/benchmark-metrics.md names the source of each, and what other load generators call it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from toolkit.bench.results import Request, Stage


@dataclass(frozen=True)
class Distribution:
    """The distribution of a metric over requests, or over gaps between tokens; all in one unit."""

    count: int
    mean: float
    minimum: float
    p50: float
    p90: float
    p95: float
    p99: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Distribution | None:
        """The distribution of values; None without any."""
        ordered = sorted(values)
        if not ordered:
            return None
        return cls(
            count=len(ordered),
            mean=sum(ordered) / len(ordered),
            minimum=ordered[0],
            p50=_percentile(ordered, 50),
            p90=_percentile(ordered, 90),
            p95=_percentile(ordered, 95),
            p99=_percentile(ordered, 99),
            maximum=ordered[-1],
        )


@dataclass(frozen=True)
class Metrics:
    """The metrics of a stage. Latencies are those of successful requests, in seconds.

    Attributes:
        requests: number of requests, failed ones included.
        errors: number of failed requests by reason, the most frequent first.
        seconds: duration of the stage.
        requests_per_second: successful requests by the duration.
        output_tokens_per_second: output tokens of successful requests by the duration; None if the server
            does not count them.
        input_tokens_per_second: the same for tokens of the prompts.
        steady_output_tokens_per_second: output tokens per second until the first client of a closed loop has
            nothing left to send; None in an open loop.
        goodput: successful requests per second that meet all objectives for latencies; None without one.
        time_to_first_token: from sending a request to its first token.
        inter_token_latency: gaps between consecutive parts of the stream, of all requests together.
        time_per_output_token: of a request: time from the first to the last token, by the tokens after the
            first.
        end_to_end_latency: from sending a request to the last byte of the response.
        output_tokens_per_second_per_user: of a request: the inverse of its time per output token.
        input_tokens: of a request.
        output_tokens: of a request.
        server: time by hop, as the server reports it.
        delay: the load generator's own delay of requests.
    """

    requests: int
    errors: Mapping[str, int]
    seconds: float
    requests_per_second: float
    output_tokens_per_second: float | None
    input_tokens_per_second: float | None
    steady_output_tokens_per_second: float | None
    goodput: float | None
    time_to_first_token: Distribution | None
    inter_token_latency: Distribution | None
    time_per_output_token: Distribution | None
    end_to_end_latency: Distribution | None
    output_tokens_per_second_per_user: Distribution | None
    input_tokens: Distribution | None
    output_tokens: Distribution | None
    server: Mapping[str, Distribution]
    delay: Distribution | None

    @property
    def error_rate(self) -> float:
        """The share of failed requests."""
        return sum(self.errors.values()) / self.requests if self.requests else 0.0


def of_stage(stage: Stage, objectives: Mapping[str, float] | None = None) -> Metrics:
    """The metrics of a stage.

    Args:
        stage: its requests.
        objectives: upper limits in seconds, by name: `time_to_first_token`, `inter_token_latency` (of a
            request: its time per output token), `total`. Others do not concern single requests.
    """
    served = [request for request in stage.requests if request.error is None]
    per_token = [time for request in served if (time := time_per_output_token(request)) is not None]
    limits = {name: limit for name, limit in (objectives or {}).items() if name in _MEASURES}
    valid = [request for request in served if _meets(request, limits)]
    return Metrics(
        requests=len(stage.requests),
        errors=dict(Counter(request.error for request in stage.requests if request.error).most_common()),
        seconds=stage.seconds,
        requests_per_second=_rate(len(served), stage.seconds),
        output_tokens_per_second=_token_rate([request.output_tokens for request in served], stage.seconds),
        input_tokens_per_second=_token_rate([request.input_tokens for request in served], stage.seconds),
        steady_output_tokens_per_second=_steady_rate(stage, served),
        goodput=_rate(len(valid), stage.seconds) if limits else None,
        time_to_first_token=Distribution.of(request.first for request in served if request.first is not None),
        inter_token_latency=Distribution.of(gap for request in served for gap in request.gaps),
        time_per_output_token=Distribution.of(per_token),
        end_to_end_latency=Distribution.of(request.total for request in served),
        output_tokens_per_second_per_user=Distribution.of(1 / time for time in per_token if time > 0),
        input_tokens=_counts(request.input_tokens for request in served),
        output_tokens=_counts(request.output_tokens for request in served),
        server=_hops(served),
        delay=Distribution.of(request.delay for request in stage.requests),
    )


def time_per_output_token(request: Request) -> float | None:
    """The time from the first to the last token, by the tokens after the first; None if there is one only."""
    tokens = request.output_tokens
    if request.first is None or tokens is None or tokens < 2 or not request.gaps:
        return None
    return sum(request.gaps) / (tokens - 1)


def percentile(values: Iterable[float], percent: float) -> float:
    """A percentile, by linear interpolation between the two nearest values, as NumPy computes it.

    Args:
        values: at least one, in any order.
        percent: from 0 to 100.
    """
    return _percentile(sorted(values), percent)


def _percentile(ordered: Sequence[float], percent: float) -> float:
    position = (len(ordered) - 1) * percent / 100
    index = min(int(position), len(ordered) - 2)
    if index < 0:
        return ordered[0]
    low, high = ordered[index], ordered[index + 1]
    # Within the two values, in spite of rounding.
    return min(max(low + (high - low) * (position - index), low), high)


_MEASURES: dict[str, Callable[[Request], float | None]] = {
    "time_to_first_token": lambda request: request.first,
    "inter_token_latency": time_per_output_token,
    "total": lambda request: request.total,
}


def _meets(request: Request, limits: Mapping[str, float]) -> bool:
    """Whether a request meets all limits; what it does not have, such as a second token, exceeds none."""
    measured = ((_MEASURES[name](request), limit) for name, limit in limits.items())
    return all(value is None or value <= limit for value, limit in measured)


def _rate(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0


def _token_rate(counts: Sequence[int | None], seconds: float) -> float | None:
    numbers = [count for count in counts if count is not None]
    return _rate(sum(numbers), seconds) if numbers else None


def _counts(counts: Iterable[int | None]) -> Distribution | None:
    return Distribution.of(count for count in counts if count is not None)


def _hops(requests: Iterable[Request]) -> dict[str, Distribution]:
    times: dict[str, list[float]] = {}
    for request in requests:
        for hop, seconds in (request.server or {}).items():
            times.setdefault(hop, []).append(seconds)
    return {hop: distribution for hop, values in times.items() if (distribution := Distribution.of(values))}


def _steady_rate(stage: Stage, served: Sequence[Request]) -> float | None:
    """Output tokens per second while all clients are busy.

    That is until the last request starts: from then on, each response leaves one more client without work.
    Each part of a response is taken for the same number of tokens.
    """
    if stage.concurrency is None:
        return None
    end = max((request.started for request in stage.requests), default=0.0)
    if end <= 0:
        return None
    tokens, has_tokens = 0.0, False
    for request in served:
        if request.output_tokens is None or request.first is None:
            continue
        has_tokens = True
        arrivals = list(accumulate(request.gaps, initial=request.started + request.first))
        tokens += request.output_tokens * sum(arrival <= end for arrival in arrivals) / len(arrivals)
    return tokens / end if has_tokens else None
