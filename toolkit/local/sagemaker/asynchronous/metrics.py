"""The CloudWatch metrics of asynchronous endpoints.

Names and units are from "Alarms and logs for tracking metrics from asynchronous endpoints" in SageMaker's
developer guide. It misspells InvocationsProcessed (cloud-custodian/cloud-custodian#11078).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from toolkit.local.sagemaker.fleet import Fleet
from toolkit.local.sagemaker.invocation import InvocationResponse
from toolkit.local.sagemaker.models import Endpoint

_NAMESPACE = "AWS/SageMaker"
# `Invocation` publishes it.
_MEASURED_ELSEWHERE = "ModelLatency"

# These are in milliseconds; the others are in microseconds.
_IN_MILLISECONDS = ("TimeInBacklog", "TotalProcessingTime")


@dataclass
class Report:
    """The result of one request.

    Attributes:
        seconds: durations, by CloudWatch metric.
        failures: CloudWatch metrics of what failed.
        reason: why the request failed; None if it succeeded.
        status: HTTP status of the container's response; None without one.
        response: the container's successful response.
        body: the body of any response.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    reason: str | None = None
    status: int | None = None
    response: InvocationResponse | None = None
    body: bytes = b""

    @property
    def summary(self) -> str:
        """The message in SageMaker's own log."""
        outcome = "succeeded." if self.reason is None else f"failed. {self.reason}"
        durations = [f"{name}: {self._in_units(name)}" for name in self.seconds]
        return f"{outcome} {', '.join(durations)}"

    def _in_units(self, name: str) -> str:
        seconds = self.seconds[name]
        return f"{seconds * 1e3:.0f} ms" if name in _IN_MILLISECONDS else f"{seconds * 1e6:.0f} us"

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record the duration of the block."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - start

    def fail(self, metric: str, reason: str) -> None:
        """Record a failure; the first reason is the one that is reported."""
        self.failures.append(metric)
        self.reason = self.reason or reason


def report_backlog(endpoint: Endpoint, fleet: Fleet, size: int, oldest_age: float) -> None:
    """Publish the size and age of the backlog; SageMaker does so once a minute."""
    instances = sum(variant.count for variant in endpoint.variants)
    values = {
        "ApproximateBacklogSize": size,
        # Without instances, the backlog of one instance.
        "ApproximateBacklogSizePerInstance": size / max(instances, 1),
        "HasBacklogWithoutCapacity": int(size > 0 and instances == 0),
    }
    dimensions = [{"EndpointName": endpoint.name}]
    for name, value in values.items():
        fleet.context.metrics.put(endpoint.region, _NAMESPACE, name, value, "Count", dimensions)
    if size:
        name = "ApproximateAgeOfOldestRequest"
        fleet.context.metrics.put(endpoint.region, _NAMESPACE, name, oldest_age, "Seconds", dimensions)


def report_request(endpoint: Endpoint, fleet: Fleet, variant: str, report: Report) -> None:
    """Publish the metrics of a request."""
    dimensions = [{"EndpointName": endpoint.name, "VariantName": variant}]

    def put(name: str, value: float, unit: str) -> None:
        fleet.context.metrics.put(endpoint.region, _NAMESPACE, name, value, unit, dimensions)

    for name in (*report.failures, "InvocationsProcessed"):
        put(name, 1, "Count")
    for name, seconds in report.seconds.items():
        if name in _IN_MILLISECONDS:
            put(name, round(seconds * 1e3), "Milliseconds")
        elif name != _MEASURED_ELSEWHERE:
            put(name, round(seconds * 1e6), "Microseconds")
