"""Instance counts of SageMaker's variants, read and changed as Application Auto Scaling does: by its API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.local.awsapi import ApiError

Members = dict[str, Any]
DIMENSION = "sagemaker:variant:DesiredInstanceCount"

_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")


@dataclass(frozen=True)
class Count:
    """A variant's instances.

    Attributes:
        current: that there are.
        desired: that there are to be.
        changing: whether the endpoint is at work, and cannot be changed otherwise.
    """

    current: int
    desired: int
    changing: bool


class Variants:
    """The variants of all endpoints.

    Args:
        operations: SageMaker's, by name; each takes the region and the request's members.
    """

    def __init__(self, operations: Mapping[str, Callable[[str, Members], Members]]) -> None:
        self._operations = operations

    def count(self, region: str, resource_id: str) -> Count | None:
        """How many instances a variant has; None if there is no such variant."""
        match = _RESOURCE.fullmatch(resource_id)
        if match is None:
            return None
        try:
            endpoint = self._operations["DescribeEndpoint"](region, {"EndpointName": match[1]})
        except ApiError:
            return None
        changing = endpoint["EndpointStatus"] != "InService"
        for variant in endpoint.get("ProductionVariants", []):
            if variant["VariantName"] == match[2] and "DesiredInstanceCount" in variant:
                return Count(variant["CurrentInstanceCount"], variant["DesiredInstanceCount"], changing)
        return None

    def set(self, region: str, resource_id: str, count: int) -> None:
        """Have a variant get so many instances.

        Raises:
            ApiError: SageMaker refused.
        """
        match = _RESOURCE.fullmatch(resource_id)
        if match is None:
            raise ApiError("ValidationException", f"{resource_id} is no variant")
        desired = [{"VariantName": match[2], "DesiredInstanceCount": count}]
        request = {"EndpointName": match[1], "DesiredWeightsAndCapacities": desired}
        self._operations["UpdateEndpointWeightsAndCapacities"](region, request)
