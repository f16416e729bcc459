"""One endpoint: what it is now, and how the API describes it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from toolkit.local.sagemaker.fleet import Fleet, Variant
from toolkit.local.sagemaker.store import Members, Resource
from toolkit.local.sagemaker.updates import Traffic

_log = logging.getLogger(__name__)


@dataclass
class Endpoint(Resource):
    """An endpoint.

    Attributes:
        region: its region.
        configuration: name of the configuration that it serves, or if it never did, was to serve.
        pending: the fleet that an update in progress moves to.
    """

    region: str = ""
    configuration: str = ""
    status: str = "Creating"
    reason: str | None = None
    modified: float = field(default_factory=time.time)
    deployment: Members | None = None
    traffic: Traffic = field(default_factory=Traffic)
    pending: Fleet | None = None
    work: asyncio.Task[None] | None = None

    def change(self, status: str, reason: str | None = None) -> None:
        """Enter a status."""
        self.status, self.reason, self.modified = status, reason, time.time()
        _log.info("endpoint %s is %s%s", self.name, status, f": {reason}" if reason else "")

    @property
    def variants(self) -> list[Variant]:
        """The variants that get requests."""
        return [variant for fleet in self.traffic.fleets for variant in fleet.variants]

    @property
    def fleets(self) -> list[Fleet]:
        """All fleets that have or may have processes."""
        return [*self.traffic.fleets, *([self.pending] if self.pending else [])]


def summarise(endpoint: Endpoint) -> Members:
    """As ListEndpoints answers it."""
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }


def describe(endpoint: Endpoint) -> Members:
    """As DescribeEndpoint answers it."""
    answer = {**summarise(endpoint), "EndpointConfigName": endpoint.configuration}
    if endpoint.variants:
        answer["ProductionVariants"] = [_describe_variant(variant) for variant in endpoint.variants]
    fleets = endpoint.traffic.fleets
    if fleets and "AsyncInferenceConfig" in fleets[-1].definition:
        answer["AsyncInferenceConfig"] = fleets[-1].definition["AsyncInferenceConfig"]
    if endpoint.reason:
        answer["FailureReason"] = endpoint.reason
    if endpoint.deployment:
        answer["LastDeploymentConfig"] = endpoint.deployment
    if endpoint.pending is not None and endpoint.status == "Updating":
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.pending.configuration,
            "ProductionVariants": [_describe_variant(variant) for variant in endpoint.pending.variants],
            "StartTime": endpoint.modified,
        }
    return answer


def _describe_variant(variant: Variant) -> Members:
    image = variant.container.get("Image", "")
    return {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image}],
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.weight,
        "CurrentInstanceCount": variant.instance_count,
        "DesiredInstanceCount": variant.instance_count,
    }
