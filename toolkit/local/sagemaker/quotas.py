"""The quotas of instance types, `ml.… for endpoint usage`, which creations and updates may not exceed.

The message is AWS's (aws-samples/aws-genai-llm-chatbot#244). A blue/green update needs its whole new fleet in
addition, a rolling one a batch (developer guide, "Rolling deployments": lower cost, and scarce instances).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from toolkit.local.awsapi import ApiError
from toolkit.local.quotas.models import QUOTAS, SAGEMAKER, endpoint_usage
from toolkit.local.sagemaker.deployment import Size
from toolkit.local.sagemaker.fleet import Fleet, Variant
from toolkit.local.sagemaker.models import Endpoint


def require(region: str, endpoints: Iterable[Endpoint], delta: Mapping[str, int]) -> None:
    """Check that further instances are within the quotas.

    Args:
        region: the region.
        endpoints: all endpoints of the region.
        delta: the further instances by type.

    Raises:
        ApiError: ResourceLimitExceeded.
    """
    used = sum((_used(endpoint) for endpoint in endpoints), Counter[str]())
    for instance_type, count in delta.items():
        name = endpoint_usage(instance_type)
        quota = QUOTAS.value(region, SAGEMAKER, name)
        if quota is not None and count > 0 and used[instance_type] + count > quota:
            raise ApiError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{name}' is {quota:.0f} Instances, with current "
                f"utilization of {used[instance_type]} Instances and a request delta of {count} Instances. "
                "Please use AWS Service Quotas to request an increase for this quota.",
            )


def of_fleet(fleet: Fleet, batch: Size | None = None) -> Counter[str]:
    """The instances that a new fleet needs at once, by type: all, or one batch."""
    counts: Counter[str] = Counter()
    for variant in fleet.all_variants:
        count = variant.desired_count
        _add(counts, variant, count if batch is None else min(batch.instances(count), count))
    return counts


def _used(endpoint: Endpoint) -> Counter[str]:
    """The instances of an endpoint by type, including those that it is about to start."""
    counts: Counter[str] = Counter()
    rolling = endpoint.pending is not None and "RollingUpdatePolicy" in (endpoint.deployment or {})
    for fleet in endpoint.fleets:
        for variant in fleet.all_variants:
            running = len(variant.instances) + len(variant.draining)
            starts = (
                not rolling and endpoint.status != "Failed" and fleet in (endpoint.fleet, endpoint.pending)
            )
            _add(counts, variant, max(running, variant.desired_count) if starts else running)
    return counts


def _add(counts: Counter[str], variant: Variant, count: int) -> None:
    if "InstanceType" in variant.definition:
        counts[variant.definition["InstanceType"]] += count
