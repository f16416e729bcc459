"""The CloudWatch metrics of invocations, in SageMaker's units.

Each request publishes 1 or 0 to the error metrics, so their average is a rate. Latencies are in microseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Protocol

from toolkit.local import timescale
from toolkit.local.awsapi import ApiError
from toolkit.local.cloudwatch.service import Metrics

_NAMESPACE = "AWS/SageMaker"
_CONCURRENCY_SECONDS = 10.0

# Publishes a value: the metric's name, the value and the unit.
Publish = Callable[[str, float, str], None]


def publisher(metrics: Metrics, region: str, endpoint: str, variant: str, configuration: str) -> Publish:
    """The publisher of a variant, with and without the EndpointConfigName dimension."""
    of_variant = {"EndpointName": endpoint, "VariantName": variant}
    dimensions = [of_variant, {**of_variant, "EndpointConfigName": configuration}]

    def publish(name: str, value: float, unit: str) -> None:
        metrics.put(region, _NAMESPACE, name, value, unit, dimensions)

    return publish


class InvocationMetrics:
    """A context manager that measures one invocation and publishes its metrics at the end.

    Args:
        publish: the variant's publisher.
        instances: the variant's number of instances.
    """

    def __init__(self, publish: Publish, instances: int) -> None:
        self._publish = publish
        self._instances = max(instances, 1)
        self._start = time.perf_counter()
        self._sent: float | None = None
        self._first: float | None = None
        self._is_stream = self._complete = False

    def mark_sent(self) -> None:
        """Record that the container gets the request now."""
        self._sent = time.perf_counter()

    async def stream(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Measure and pass on the parts of a streamed response."""
        self._is_stream = True
        async for part in parts:
            self._first = self._first or time.perf_counter()
            yield part
        self._complete = True

    def __enter__(self) -> InvocationMetrics:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        self._publish("Invocations", 1, "None")
        self._publish("InvocationsPerInstance", 1 / self._instances, "None")
        if error is not None and not isinstance(error, ApiError):
            # The client disconnected, so the container's result is unknown.
            return
        status = _status(error)
        self._publish("Invocation4XXErrors", 400 <= status < 500, "None")
        self._publish("Invocation5XXErrors", status >= 500, "None")
        self._publish("InvocationModelErrors", status != 200, "None")
        self._publish_latencies()

    def _publish_latencies(self) -> None:
        if self._sent is None:
            return
        overhead = self._sent - self._start
        self._publish("ModelLatency", _microseconds(time.perf_counter() - self._sent), "Microseconds")
        self._publish("OverheadLatency", _microseconds(overhead), "Microseconds")
        if self._is_stream:
            self._publish("MidStreamErrors", not self._complete, "None")
        if self._first is not None:
            model = self._first - self._sent
            self._publish("FirstChunkModelLatency", _microseconds(model), "Microseconds")
            self._publish("FirstChunkOverheadLatency", _microseconds(overhead), "Microseconds")
            self._publish("FirstChunkLatency", _microseconds(model + overhead), "Microseconds")


def _status(error: ApiError | None) -> int:
    """The container's status, 0 if it sent none; the API's status if the request reached no container."""
    if error is None:
        return 200
    return int(error.members.get("OriginalStatusCode", error.status))


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


class _Instance(Protocol):
    @property
    def in_flight(self) -> int: ...


class _Variant(Protocol):
    @property
    def publish(self) -> Publish: ...

    @property
    def instances(self) -> Iterable[_Instance]: ...


async def publish_concurrency(variants: Callable[[], Iterable[_Variant]]) -> None:
    """Publish the requests in progress of each instance, until cancelled."""
    while True:
        for variant in variants():
            for instance in variant.instances:
                variant.publish("ConcurrentRequestsPerModel", instance.in_flight, "None")
        await asyncio.sleep(timescale.scaled(_CONCURRENCY_SECONDS))
