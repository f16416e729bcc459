"""The stages of a benchmark with their metrics, as reports name them."""

from __future__ import annotations

from dataclasses import dataclass

from toolkit.bench import metrics, text
from toolkit.bench.metrics import Distribution, Metrics
from toolkit.bench.results import Benchmark, Request, Stage
from toolkit.report import units

PERCENTILES = (50, 95, 99)
END_TO_END_LATENCY = "end_to_end_latency"
# Distributions among the metrics.
LATENCIES = {
    "time_to_first_token": "Time to first token",
    "inter_token_latency": "Inter-token latency",
    END_TO_END_LATENCY: "End-to-end latency",
}
_TARGETS = {"api": "API", "runtime": "runtime"}


@dataclass(frozen=True)
class Figures:
    """A stage and its metrics."""

    stage: Stage
    metrics: Metrics

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
        """ "8 clients", "2.5 requests/s"; unique among the stages of one target."""
        return text.load(self.stage)

    @property
    def succeeded(self) -> list[Request]:
        """Requests without an error."""
        return [request for request in self.stage.requests if request.error is None]

    @property
    def failures(self) -> int:
        """Number of the other requests."""
        return sum(self.metrics.errors.values())

    def percentile(self, latency: str, percentage: int) -> float | None:
        """A percentile of a latency in seconds; None if it is unknown."""
        distribution: Distribution | None = getattr(self.metrics, latency)
        seconds: float | None = getattr(distribution, f"p{percentage}", None)
        return seconds

    def percentiles(self, latency: str) -> list[str]:
        """With their units."""
        return [units.seconds(self.percentile(latency, percentage)) for percentage in PERCENTILES]


def figures(benchmark: Benchmark) -> list[Figures]:
    """In the order in which the stages were measured."""
    return [Figures(stage, metrics.of_stage(stage, benchmark.objectives)) for stage in benchmark.stages]
