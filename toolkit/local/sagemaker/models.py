"""The resources by region: names, ARNs, tags and lists; endpoints and their descriptions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from toolkit.local.awsapi import ApiError, Members
from toolkit.local.controlplane.ecr import image_digest
from toolkit.local.sagemaker.deployment import Traffic
from toolkit.local.sagemaker.fleet import Fleet, Variant
from toolkit.local.service import ACCOUNT_ID

_log = logging.getLogger(__name__)


@dataclass
class Resource:
    """A resource with a name and an ARN.

    Attributes:
        definition: the request that created it, without the tags.
        created: seconds since the epoch.
    """

    name: str
    arn: str
    definition: Members
    created: float = field(default_factory=time.time)


R = TypeVar("R", bound=Resource)


class Collection(Generic[R]):
    """The resources of one kind in one region.

    Args:
        kind: the noun in AWS's messages, such as `endpoint configuration`.
        arn_part: the noun in ARNs, such as `endpoint-config`.
        region: the region.
    """

    def __init__(self, kind: str, arn_part: str, region: str) -> None:
        self._kind = kind
        self._arn_prefix = f"arn:aws:sagemaker:{region}:{ACCOUNT_ID}:{arn_part}/"
        self._resources: dict[str, R] = {}

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._resources.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._resources

    def arn(self, name: str) -> str:
        """The ARN of a resource with this name, in lower case (amazon-sagemaker-examples#293)."""
        return self._arn_prefix + name.lower()

    def get(self, name: str) -> R:
        """The resource with this name.

        Raises:
            ApiError: it does not exist.
        """
        if name not in self._resources:
            raise ApiError("ValidationException", f'Could not find {self._kind} "{self.arn(name)}".')
        return self._resources[name]

    def check_free(self, name: str) -> None:
        """Raise ApiError if a resource with this name exists."""
        if name in self._resources:
            message = f'Cannot create already existing {self._kind} "{self.arn(name)}".'
            raise ApiError("ValidationException", message)

    def add(self, resource: R) -> None:
        """Add a new resource.

        Raises:
            ApiError: its name is taken.
        """
        self.check_free(resource.name)
        self._resources[resource.name] = resource

    def remove(self, name: str) -> R:
        """Remove a resource.

        Raises:
            ApiError: it does not exist.
        """
        self.get(name)
        return self._resources.pop(name)


class ByRegion(defaultdict[str, Collection[R]]):
    """A collection per region, created on first access."""

    def __init__(self, kind: str, arn_part: str) -> None:
        super().__init__()
        self._kind = kind
        self._arn_part = arn_part

    def __missing__(self, region: str) -> Collection[R]:
        self[region] = Collection(self._kind, self._arn_part, region)
        return self[region]


class Tags:
    """Tags by ARN."""

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}

    def add(self, arn: str, tags: Iterable[Mapping[str, str]]) -> None:
        """Add or replace tags."""
        self._tags.setdefault(arn, {}).update({tag["Key"]: tag["Value"] for tag in tags})

    def remove(self, arn: str, keys: list[str]) -> None:
        """Remove tags by key; unknown keys are ignored."""
        tags = self._tags.get(arn, {})
        for key in keys:
            tags.pop(key, None)

    def by_key(self, arn: str) -> Mapping[str, str]:
        """A resource's tags; the ARN of a request may be in any case."""
        return next((tags for name, tags in list(self._tags.items()) if name.lower() == arn.lower()), {})

    def forget(self, arn: str) -> None:
        """Remove all tags of a deleted resource."""
        self._tags.pop(arn, None)

    def of(self, arn: str) -> list[dict[str, str]]:
        """A resource's tags, as in AWS's responses."""
        return [{"Key": key, "Value": value} for key, value in sorted(self._tags.get(arn, {}).items())]


def page(member: str, rows: list[Members], request: Mapping[str, Any], *, name: str) -> Members:
    """The response of a List operation: a page of `rows`, filtered and sorted by the request.

    Args:
        member: the response's member with the rows.
        rows: summaries with at least `name`, and `CreationTime` in seconds.
        request: the operation's members.
        name: the member of a summary that holds the resource's name.
    """
    matches = [row for row in rows if _matches(row, request, name)]
    sort_by = {"Name": name, "Status": "EndpointStatus"}.get(request.get("SortBy", ""), "")
    sort_by = sort_by or request.get("SortBy") or "CreationTime"
    descending = request.get("SortOrder") != "Ascending"
    matches.sort(key=lambda row: (row.get(sort_by, ""), row[name]), reverse=descending)
    start = int(request.get("NextToken") or 0)
    end = start + int(request.get("MaxResults") or 10)
    more = {"NextToken": str(end)} if end < len(matches) else {}
    return {member: matches[start:end], **more}


def _matches(row: Members, request: Mapping[str, Any], name: str) -> bool:
    for member in ("CreationTime", "LastModifiedTime"):
        if row.get(member, 0) >= request.get(f"{member}Before", float("inf")):
            return False
        if row.get(member, 0) <= request.get(f"{member}After", float("-inf")):
            return False
    status = request.get("StatusEquals")
    return request.get("NameContains", "") in row[name] and status in (None, row.get("EndpointStatus"))


@dataclass
class Endpoint(Resource):
    """An endpoint.

    Attributes:
        configuration: name of the configuration that it serves, or failed to serve at its creation.
        traffic: the distribution of its requests.
        fleet: the fleet that serves `configuration`.
        pending: the fleet that a creation or update in progress starts.
        started_at: the start of the latest operation, in seconds since the epoch.
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
    started_at: float = field(default_factory=time.time)
    work: asyncio.Task[None] | None = None

    def change(self, status: str, reason: str | None = None) -> None:
        """Change the status."""
        self.status, self.reason, self.modified = status, reason, time.time()
        _log.info("endpoint %s is %s%s", self.name, status, f": {reason}" if reason else "")

    @property
    def variants(self) -> list[Variant]:
        """The production variants of the configuration that it serves."""
        return self.fleet.variants if self.fleet else []

    @property
    def fleets(self) -> list[Fleet]:
        """All fleets that may have processes, including those of an update that could not roll back."""
        fleets = [fleet for fleet in (self.fleet, self.pending, *self.traffic.fleets) if fleet is not None]
        return list(dict.fromkeys(fleets))


def summarize(endpoint: Endpoint) -> Members:
    """The endpoint's summary in ListEndpoints."""
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }


def describe(endpoint: Endpoint) -> Members:
    """The response of DescribeEndpoint."""
    response = {**summarize(endpoint), "EndpointConfigName": endpoint.configuration}
    if endpoint.fleet is not None:
        response |= _describe_fleet(endpoint, endpoint.fleet)
        if "AsyncInferenceConfig" in endpoint.fleet.definition:
            response["AsyncInferenceConfig"] = endpoint.fleet.definition["AsyncInferenceConfig"]
    if endpoint.reason:
        response["FailureReason"] = endpoint.reason
    if endpoint.deployment:
        response["LastDeploymentConfig"] = endpoint.deployment
    if endpoint.pending is not None:
        response["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.pending.configuration,
            **_describe_fleet(endpoint, endpoint.pending),
            "StartTime": endpoint.started_at,
        }
    return response


def _describe_fleet(endpoint: Endpoint, fleet: Fleet) -> Members:
    # The current weight includes the fleet's share of the traffic, which shows the progress of a shift.
    share = endpoint.traffic.share(fleet)
    stage = [{"Status": fleet.stage.status, "StartTime": fleet.stage.since}] if fleet.stage else None
    response = {
        "ProductionVariants": [_describe_variant(variant, share, stage) for variant in fleet.variants],
        "ShadowProductionVariants": [_describe_variant(variant, share, stage) for variant in fleet.shadows],
    }
    return {name: variants for name, variants in response.items() if variants}


def _resolved(image: str) -> str:
    """The image with its digest: `registry/repository@digest` (DeployedImage in botocore's service model)."""
    if "@" in image:
        return image
    repository, separator, tag = image.rpartition(":")
    return f"{repository if separator and '/' not in tag else image}@{image_digest(image)}"


def _describe_variant(variant: Variant, share: float, stage: list[Members] | None) -> Members:
    image = variant.container.get("Image", "")
    response: Members = {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": image, "ResolvedImage": _resolved(image)}],
        "CurrentWeight": variant.weight * share,
        "DesiredWeight": variant.weight,
    }
    if variant.serverless is not None:
        config = variant.serverless.config
        response |= {"CurrentServerlessConfig": config, "DesiredServerlessConfig": config}
    else:
        response |= {"CurrentInstanceCount": variant.count, "DesiredInstanceCount": variant.desired_count}
    return response | ({"VariantStatus": stage} if stage else {})
