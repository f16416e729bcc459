"""Errors of SageMaker hosting. Unless noted, the message is a FailureReason."""

from __future__ import annotations

from toolkit.local.awsapi import ApiError


def body_too_large(limit: int) -> ApiError:
    """The error of a request body of more than `limit` bytes."""
    message = "1 validation error detected: Value at 'body' failed to satisfy constraint: Member must have "
    return ApiError("ValidationError", f"{message}length less than or equal to {limit}", status=413)


class RoleDeniedError(Exception):
    """The role does not allow the action or does not trust SageMaker."""


class ArtifactError(Exception):
    """The model's files are missing or cannot be used."""


class InstanceError(Exception):
    """The container did not pass the ping health check."""


class InstanceTimeoutError(InstanceError):
    """The container did not answer pings in time."""


class FleetError(Exception):
    """The fleet did not become healthy."""


class StartTimeoutError(FleetError):
    """The fleet was not healthy within the remaining time, which was less than its own limit."""


class SetupError(Exception):
    """The instance of a serverless variant did not start."""


class DeploymentError(Exception):
    """The update must be rolled back."""


class InstanceLostError(Exception):
    """The instance stopped while it processed a request: retry on another one."""


class StorageError(Exception):
    """S3 or SNS refused the role; the message names the object or topic."""
