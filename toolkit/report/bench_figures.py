"""The figures of a benchmark's stages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from toolkit.bench.results import Benchmark, Request, Stage
from toolkit.report import units

PERCENTILES = (50, 95, 99)
_TARGETS = {"api": "API", "runtime": "runtime"}
Measure = Callable[[Request], float | None]


def first_token(request: Request) -> float | None:
    """Time to first token."""
    return request.first


def inter_token(request: Request) -> float | None:
    """Mean inter-token latency of a request."""
    return fmean(request.gaps) if request.gaps else None


def total(request: Request) -> float | None:
    """End-to-end latency."""
    return request.total


MEASURES: dict[str, Measure] = {
    "Time to first token": first_token,
    "Inter-token latency": inter_token,
    "End-to-end latency": total,
}


@dataclass(frozen=True)
class Figures:
    """A stage in numbers; None if unknown."""

    stage: Stage

    @property
    def target(self) -> str:
        """Where it was measured."""
        return _TARGETS[self.stage.target]

    @property
    def load(self) -> float:
        """Clients, or requests per second."""
        return self.stage.concurrency or self.stage.rate or 0

    @property
    def load_text(self) -> str:
        """ "8 clients", "2.5/s"; unique among the stages of one target."""
        if self.stage.concurrency:
            return units.count(self.stage.concurrency, "client")
        return f"{units.short(self.load)}/s"

    @property
    def succeeded(self) -> list[Request]:
        """Requests without an error."""
        return [request for request in self.stage.requests if request.error is None]

    @property
    def failures(self) -> int:
        """Number of the other requests."""
        return len(self.stage.requests) - len(self.succeeded)

    @property
    def requests_per_second(self) -> float | None:
        """Requests that succeeded."""
        return len(self.succeeded) / self.stage.seconds if self.stage.seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens of all requests."""
        tokens = [request.output_tokens for request in self.succeeded if request.output_tokens is not None]
        return sum(tokens) / self.stage.seconds if tokens and self.stage.seconds else None

    def values(self, measure: Measure) -> list[float]:
        """Ascending, without unknown values."""
        values = (measure(request) for request in self.succeeded)
        return sorted(value for value in values if value is not None)

    def percentile(self, measure: Measure, percentage: float) -> float | None:
        """By linear interpolation between the closest ranks."""
        ordered = self.values(measure)
        if not ordered:
            return None
        position = (len(ordered) - 1) * percentage / 100
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (position - low)

    def percentiles(self, measure: Measure) -> list[str]:
        """With their units."""
        return [units.seconds(self.percentile(measure, percentage)) for percentage in PERCENTILES]


def figures(benchmark: Benchmark) -> list[Figures]:
    """In the order in which the stages were measured."""
    return [Figures(stage) for stage in benchmark.stages]
