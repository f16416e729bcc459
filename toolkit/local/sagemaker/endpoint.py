"""One endpoint: what it is now, and how the API describes it."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from toolkit.local.sagemaker.fleet import Fleet
from toolkit.local.sagemaker.store import Members, Resource
from toolkit.local.sagemaker.updates import Traffic
from toolkit.local.sagemaker.variant import Variant

_log = logging.getLogger(__name__)


@dataclass
class Endpoint(Resource):
    """An endpoint.

    Attributes:
        region: its region.
        configuration: name of the configuration that it serves, or if it never did, was to serve.
        traffic: where its requests go.
        fleet: the one that serves `configuration`.
        pending: the fleet that a creation or an update in progress brings up.
        began: when that began, in seconds since the epoch.
    """

    region: str = ""
    configuration: str = ""
    status: str = "Creating"
    reason: str | None = None
    modified: float = field(default_factory=time.time)
    deployment: Members | None = None
    traffic: Traffic = field(default_factory=Traffic)
    fleet: Fleet | None = None
    pending: Fleet | None = None
    began: float = field(default_factory=time.time)
    work: asyncio.Task[None] | None = None

    def change(self, status: str, reason: str | None = None) -> None:
        """Enter a status."""
        self.status, self.reason, self.modified = status, reason, time.time()
        _log.info("endpoint %s is %s%s", self.name, status, f": {reason}" if reason else "")

    @property
    def variants(self) -> list[Variant]:
        """The production variants of the configuration that it serves."""
        return self.fleet.variants if self.fleet else []

    @property
    def fleets(self) -> list[Fleet]:
        """All fleets that have or may have processes: also what an update left that was not taken back."""
        known = [fleet for fleet in (self.fleet, self.pending, *self.traffic.fleets) if fleet is not None]
        return list(dict.fromkeys(known))


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
    if endpoint.fleet is not None:
        answer |= _describe_fleet(endpoint, endpoint.fleet)
        if "AsyncInferenceConfig" in endpoint.fleet.definition:
            answer["AsyncInferenceConfig"] = endpoint.fleet.definition["AsyncInferenceConfig"]
    if endpoint.reason:
        answer["FailureReason"] = endpoint.reason
    if endpoint.deployment:
        answer["LastDeploymentConfig"] = endpoint.deployment
    if endpoint.pending is not None:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.pending.configuration,
            **_describe_fleet(endpoint, endpoint.pending),
            "StartTime": endpoint.began,
        }
    return answer


def _describe_fleet(endpoint: Endpoint, fleet: Fleet) -> Members:
    # A fleet's weights are those that its requests really have: that shows how far a shift is.
    share = endpoint.traffic.share(fleet)
    stage = [{"Status": fleet.stage.status, "StartTime": fleet.stage.since}] if fleet.stage else None
    answer = {
        "ProductionVariants": [_describe_variant(variant, share, stage) for variant in fleet.variants],
        "ShadowProductionVariants": [_describe_variant(variant, share, stage) for variant in fleet.shadows],
    }
    return {name: variants for name, variants in answer.items() if variants}


def _describe_variant(variant: Variant, share: float, stage: list[Members] | None) -> Members:
    image = variant.container.get("Image", "")
    answer: Members = {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": image}],
        "CurrentWeight": variant.weight * share,
        "DesiredWeight": variant.weight,
    }
    if variant.serverless is not None:
        config = variant.serverless.config
        answer |= {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    else:
        answer |= {"CurrentInstanceCount": variant.count, "DesiredInstanceCount": variant.desired_count}
    return answer | ({"VariantStatus": stage} if stage else {})
