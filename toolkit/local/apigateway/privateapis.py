"""Private APIs: their VPC endpoints may change, and none is deployed without a policy.

Who calls is not looked at: on this machine there is no VPC, and no way around one.
"""

from __future__ import annotations

from typing import Any, Final

from moto.apigateway.exceptions import BadRequestException
from moto.apigateway.models import RestAPI

_ENDPOINTS: Final = "/endpointConfiguration/vpcEndpointIds"


def extend() -> None:
    """Extend moto in this process: its APIs keep the VPC endpoints that they were made with."""
    apply_patch_operations = RestAPI.apply_patch_operations

    def apply_all(self: RestAPI, patch_operations: list[dict[str, Any]]) -> None:
        apply_patch_operations(self, [each for each in patch_operations if each["path"] != _ENDPOINTS])
        for each in patch_operations:
            if each["path"] == _ENDPOINTS:
                _change(self.endpoint_configuration, each["op"], each["value"])

    RestAPI.apply_patch_operations = apply_all  # type: ignore[method-assign]


def _change(configuration: dict[str, Any], operation: str, endpoint: str) -> None:
    others = [each for each in configuration.get("vpcEndpointIds", []) if each != endpoint]
    configuration["vpcEndpointIds"] = [*others, endpoint] if operation == "add" else others


def check_policy(api: RestAPI, document: dict[str, Any]) -> None:
    """Refuse to deploy what nobody could call, as API Gateway does.

    Raises:
        BadRequestException: a private API has no policy.
    """
    is_private = "PRIVATE" in api.endpoint_configuration.get("types", [])
    if is_private and not api.policy and "x-amazon-apigateway-policy" not in document:
        raise BadRequestException("Private REST API doesn't have a resource policy attached to it")
