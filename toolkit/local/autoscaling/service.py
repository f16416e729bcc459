"""Application Auto Scaling as a service of the cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from toolkit.local.autoscaling.capacity import DIMENSION, Variants
from toolkit.local.autoscaling.lifecycle import Region
from toolkit.local.autoscaling.models import key_of
from toolkit.local.autoscaling.responses import OPERATIONS
from toolkit.local.awsapi import ApiError, Members, TargetRoute, json_response
from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.signature import Signature
from toolkit.local.status import Item
from toolkit.local.validation import members_of

_POLICY_ARNS = "arn:aws:autoscaling:"


class AutoScalingService:
    """Application Auto Scaling in all regions.

    Args:
        operations: SageMaker's operations, which read and change the variants' instance counts.
        metrics: CloudWatch, whose alarms trigger scaling policies.
    """

    def __init__(self, operations: Mapping[str, Callable[[str, Members], Members]], metrics: Metrics) -> None:
        self._variants = Variants(operations)
        self._metrics = metrics
        self._regions: dict[str, Region] = {}

    def is_registered(self, region: str, resource_id: str) -> bool:
        """Whether a variant's instance count is a scalable target."""
        return self._region(region).targets.has(("sagemaker", resource_id, DIMENSION))

    def routes(self) -> Sequence[BaseRoute]:
        """See `toolkit.local.service.Service`."""
        return [TargetRoute("AnyScaleFrontendService", OPERATIONS, self._handle)]

    async def start(self) -> None:
        """See `toolkit.local.service.Service`."""
        self._metrics.on_action(_POLICY_ARNS, lambda firing: self._region(firing.region).on_alarm(firing))

    async def stop(self) -> None:
        """See `toolkit.local.service.Service`."""
        await asyncio.gather(*(region.stop() for region in self._regions.values()))

    def status(self) -> Iterable[Item]:
        """See `toolkit.local.service.Service`."""
        return []

    def _region(self, name: str) -> Region:
        if name not in self._regions:
            self._regions[name] = Region(name, self._variants, self._metrics)
        return self._regions[name]

    def arn_of(self, region: str, members: Mapping[str, Any]) -> str | None:
        """The ARN of the target that a request names; None if it names none or the target does not exist."""
        try:
            return self._regions[region].targets.get(key_of(members)).arn
        except (KeyError, ApiError):
            return None

    def tags_of(self, region: str, arn: str) -> Mapping[str, str]:
        """A target's tags; empty if the target does not exist."""
        try:
            return self._regions[region].targets.by_arn(arn).tags
        except (KeyError, ApiError):
            return {}

    async def _handle(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        region = self._region(Signature.of(request.scope).region)
        response = OPERATIONS[operation](region, members_of(request))
        return json_response(response)
