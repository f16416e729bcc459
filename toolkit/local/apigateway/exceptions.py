"""Errors of API Gateway: the types of gateway responses that occur here."""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """A gateway response type, with its default status and its error type for SDKs."""

    ACCESS_DENIED = (403, "AccessDeniedException")
    API_CONFIGURATION_ERROR = (500, "InternalServerErrorException")
    AUTHORIZER_CONFIGURATION_ERROR = (500, "AuthorizerConfigurationException")
    EXPIRED_TOKEN = (403, "ExpiredTokenException")
    INTEGRATION_TIMEOUT = (504, "InternalServerErrorException")
    INVALID_API_KEY = (403, "ForbiddenException")
    INVALID_SIGNATURE = (403, "InvalidSignatureException")
    MISSING_AUTHENTICATION_TOKEN = (403, "MissingAuthenticationTokenException")
    QUOTA_EXCEEDED = (429, "LimitExceededException")
    # The type as recorded in koki-develop/lgtm-generator#10.
    REQUEST_TOO_LARGE = (413, "BadRequestException")
    THROTTLED = (429, "TooManyRequestsException")
    UNAUTHORIZED = (401, "UnauthorizedException")
    # A failed Lambda function has no own type, and keeps the status 502.
    DEFAULT_5XX = (502, "InternalServerErrorException")

    def __init__(self, status: int, error_type: str) -> None:
        self.status = status
        self.error_type = error_type


class GatewayError(Exception):
    """Ends a request with a gateway response.

    Args:
        refusal: the type of gateway response.
        message: `$context.error.message`, as AWS words it; None for null.
        reason: for the cloud's log; hidden from the caller.
    """

    def __init__(self, refusal: Refusal, message: str | None, *, reason: str | None = None) -> None:
        super().__init__(f"{refusal.name}: {message}" + (f" ({reason})" if reason else ""))
        self.refusal = refusal
        self.message = message
        self.reason = reason


def misconfigured(reason: str) -> GatewayError:
    """An error in the API or in the function's permissions, hidden from the caller."""
    return GatewayError(Refusal.API_CONFIGURATION_ERROR, "Internal server error", reason=reason)


def failed(reason: str) -> GatewayError:
    """The function failed, or did not return a proxy response."""
    return GatewayError(Refusal.DEFAULT_5XX, "Internal server error", reason=reason)
