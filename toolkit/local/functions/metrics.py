"""Lambda's metrics of functions."""

from __future__ import annotations

from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.functions.models import Function

_NAMESPACE = "AWS/Lambda"


class FunctionMetrics:
    """Publishes what Lambda publishes of each invocation."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def invoked(self, function: Function, seconds: float, concurrent: int, *, failed: bool) -> None:
        """An invocation is over.

        Args:
            function: that ran.
            seconds: how long it ran, without its start.
            concurrent: how many of it ran at once, this one included.
            failed: whether it ended with an error.
        """
        self._put(function, "Invocations", 1, "Count")
        self._put(function, "Errors", int(failed), "Count")
        self._put(function, "Throttles", 0, "Count")
        self._put(function, "Duration", seconds * 1000, "Milliseconds")
        self._put(function, "ConcurrentExecutions", concurrent, "Count")

    def throttled(self, function: Function) -> None:
        """An invocation was refused, because too many run."""
        self._put(function, "Throttles", 1, "Count")

    def received(self, function: Function) -> None:
        """An event came for an asynchronous invocation."""
        self._put(function, "AsyncEventsReceived", 1, "Count")

    def dropped(self, function: Function) -> None:
        """An event was given up."""
        self._put(function, "AsyncEventsDropped", 1, "Count")

    def _put(self, function: Function, name: str, value: float, unit: str) -> None:
        dimensions: list[dict[str, str]] = [
            {},
            {"FunctionName": function.name},
            {"FunctionName": function.name, "Resource": function.name},
        ]
        self._metrics.put(function.region, _NAMESPACE, name, value, unit, dimensions)
