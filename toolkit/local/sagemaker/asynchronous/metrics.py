"""What CloudWatch is told of asynchronous endpoints.

Names and units are those of "Alarms and logs for tracking metrics from asynchronous endpoints" in SageMaker's
developer guide, the spelling of InvocationsProcesssed included.
"""

from __future__ import annotations

from toolkit.local.sagemaker.asynchronous.processing import IN_MILLISECONDS, Report
from toolkit.local.sagemaker.asynchronous.queue import Queue
from toolkit.local.sagemaker.fleet import Fleet
from toolkit.local.sagemaker.models import Endpoint

_NAMESPACE = "AWS/SageMaker"
# The invocation itself is measured where it is made.
_MEASURED_ELSEWHERE = "ModelLatency"


def report_backlog(endpoint: Endpoint, fleet: Fleet, queue: Queue | None) -> None:
    """Publish what waits; SageMaker does so once a minute."""
    size = queue.size if queue is not None else 0
    instances = sum(variant.count for variant in endpoint.variants)
    values = {
        "ApproximateBacklogSize": size,
        # Without an instance, as much as one of them would have.
        "ApproximateBacklogSizePerInstance": size / max(instances, 1),
        "HasBacklogWithoutCapacity": int(size > 0 and instances == 0),
    }
    dimensions = [{"EndpointName": endpoint.name}]
    for name, value in values.items():
        fleet.site.metrics.put(endpoint.region, _NAMESPACE, name, value, "Count", dimensions)
    if queue is not None and queue.size:
        age = queue.oldest_age
        fleet.site.metrics.put(
            endpoint.region, _NAMESPACE, "ApproximateAgeOfOldestRequest", age, "Seconds", dimensions
        )


def report_request(endpoint: Endpoint, fleet: Fleet, variant: str, report: Report) -> None:
    """Publish how a request went."""
    dimensions = [{"EndpointName": endpoint.name, "VariantName": variant}]

    def put(name: str, value: float, unit: str) -> None:
        fleet.site.metrics.put(endpoint.region, _NAMESPACE, name, value, unit, dimensions)

    for name in (*report.failures, "InvocationsProcesssed"):
        put(name, 1, "Count")
    for name, seconds in report.seconds.items():
        if name in IN_MILLISECONDS:
            put(name, round(seconds * 1e3), "Milliseconds")
        elif name != _MEASURED_ELSEWHERE:
            put(name, round(seconds * 1e6), "Microseconds")
