"""Requests to SageMaker about endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

    Description: TypeAlias = DescribeEndpointOutputTypeDef

# Transitional statuses, in which SageMaker refuses updates and deletions.
MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# An update and its rollback failed: instances of both configurations serve.
STUCK = "UpdateRollbackFailed"
# Statuses in which an endpoint does not fully serve its configuration.
BROKEN = frozenset({"Failed", "OutOfService", STUCK})


def describe(access: AwsAccess, name: str) -> Description | None:
    """Describe an endpoint; None if it does not exist.

    Raises:
        botocore.exceptions.ClientError: SageMaker refused for another reason.
    """
    try:
        return access.sagemaker.describe_endpoint(EndpointName=name)
    except ClientError as error:
        if is_missing(error):
            return None
        raise


@dataclass(frozen=True)
class Fleet:
    """The instances of one variant.

    Attributes:
        variant: the variant.
        instance_type: their type.
        instances: number of those that run or start.
        volume_gb: size of the volume of each; None for SageMaker's default.
    """

    variant: str
    instance_type: str
    instances: int
    volume_gb: int | None = None


def fleets(access: AwsAccess, endpoint: Description) -> Iterator[Fleet]:
    """The instances of an endpoint; during an update, those of the old fleet, then those of the new one.

    Serverless variants have none, nor has an endpoint that failed or is being deleted.

    Raises:
        botocore.exceptions.ClientError: SageMaker refused to describe a configuration.
    """
    if endpoint["EndpointStatus"] in ("Failed", "Deleting"):
        return
    parts: tuple[Any, Any] = (endpoint, endpoint.get("PendingDeploymentSummary"))
    for part in filter(None, parts):
        configuration: Any = access.sagemaker.describe_endpoint_config(
            EndpointConfigName=part["EndpointConfigName"]
        )
        for kind in ("ProductionVariants", "ShadowProductionVariants"):
            settings = {item["VariantName"]: item for item in configuration.get(kind, ())}
            for variant in part.get(kind, ()):
                setting = settings.get(variant["VariantName"], {})
                counts = (variant.get(f"{word}InstanceCount") or 0 for word in ("Desired", "Current"))
                if setting.get("InstanceType"):
                    yield Fleet(
                        setting["VariantName"],
                        setting["InstanceType"],
                        max(counts),
                        setting.get("VolumeSizeInGB"),
                    )


def delete(access: AwsAccess, name: str) -> None:
    """Start the deletion of an endpoint; does nothing if it does not exist.

    Raises:
        botocore.exceptions.ClientError: SageMaker refused, for example because of an update in progress.
    """
    try:
        access.sagemaker.delete_endpoint(EndpointName=name)
    except ClientError as error:
        if not is_missing(error):
            raise


def is_missing(error: ClientError) -> bool:
    """Whether the error means "not found", for which SageMaker has no separate code."""
    details = error.response["Error"]
    return details["Code"] == "ValidationException" and "Could not find" in details["Message"]
