"""Asking SageMaker about endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

    Description: TypeAlias = DescribeEndpointOutputTypeDef

# Statuses that SageMaker leaves by itself; until then it refuses updates and deletions.
MOVING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# An update failed, and so did the way back: instances of both configurations serve.
STUCK = "UpdateRollbackFailed"
# Statuses in which an endpoint does not serve what it is named after, or not all of it.
BROKEN = frozenset({"Failed", "OutOfService", STUCK})


def describe(access: AwsAccess, name: str) -> Description | None:
    """SageMaker's description of an endpoint; None if there is no such endpoint.

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
    """Have SageMaker delete an endpoint, which takes it a while; none of that name is as good.

    Raises:
        botocore.exceptions.ClientError: SageMaker refused, because it works on it or for another reason.
    """
    try:
        access.sagemaker.delete_endpoint(EndpointName=name)
    except ClientError as error:
        if not is_missing(error):
            raise


def is_missing(error: ClientError) -> bool:
    """Whether SageMaker says that what was asked for does not exist; it has no code of its own for that."""
    found = error.response["Error"]
    return found["Code"] == "ValidationException" and "Could not find" in found["Message"]
