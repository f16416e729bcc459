"""Requests to SageMaker about endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

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
