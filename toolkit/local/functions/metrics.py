"""Lambda's CloudWatch metrics."""

from __future__ import annotations

from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.models import Function

_NAMESPACE = "AWS/Lambda"


class FunctionMetrics:
    """Publishes the metrics of invocations."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def invoked(self, function: Function, seconds: float, concurrent: int, *, failed: bool) -> None:
        """Record a finished invocation.

        Args:
            function: its function.
            seconds: its duration, without the start of the instance.
            concurrent: invocations of the function in progress, including this one.
            failed: whether it ended with an error.
        """
        self._put(function, "Invocations", 1, "Count")
        self._put(function, "Errors", int(failed), "Count")
        self._put(function, "Throttles", 0, "Count")
        self._put(function, "Duration", seconds * 1000, "Milliseconds")
        self._put(function, "ConcurrentExecutions", concurrent, "Count")

    def throttled(self, function: Function) -> None:
        """Record a throttled invocation."""
        self._put(function, "Throttles", 1, "Count")

    def received(self, function: Function) -> None:
        """Record a new event of an asynchronous invocation."""
        self._put(function, "AsyncEventsReceived", 1, "Count")

    def dropped(self, function: Function) -> None:
        """Record a dropped event."""
        self._put(function, "AsyncEventsDropped", 1, "Count")

    def _put(self, function: Function, name: str, value: float, unit: str) -> None:
        dimensions: list[dict[str, str]] = [
            {},
            {"FunctionName": function.name},
            {"FunctionName": function.name, "Resource": function.name},
        ]
        self._metrics.put(function.region, _NAMESPACE, name, value, unit, dimensions)
