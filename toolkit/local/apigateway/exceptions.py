"""What API Gateway refuses by itself: the gateway response types that occur here."""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """A gateway response type, with AWS's default status and the error type that SDKs see."""

    ACCESS_DENIED = (403, "AccessDeniedException")
    API_CONFIGURATION_ERROR = (500, "InternalServerErrorException")
    AUTHORIZER_CONFIGURATION_ERROR = (500, "AuthorizerConfigurationException")
    AUTHORIZER_FAILURE = (500, "AuthorizerFailureException")
    EXPIRED_TOKEN = (403, "ExpiredTokenException")
    INTEGRATION_TIMEOUT = (504, "InternalServerErrorException")
    INVALID_API_KEY = (403, "ForbiddenException")
    INVALID_SIGNATURE = (403, "InvalidSignatureException")
    MISSING_AUTHENTICATION_TOKEN = (403, "MissingAuthenticationTokenException")
    QUOTA_EXCEEDED = (429, "LimitExceededException")
    REQUEST_TOO_LARGE = (413, "RequestTooLargeException")
    THROTTLED = (429, "TooManyRequestsException")
    UNAUTHORIZED = (401, "UnauthorizedException")
    # A Lambda function that fails has no type of its own; 502 is then kept, whatever DEFAULT_5XX says.
    DEFAULT_5XX = (502, "InternalServerErrorException")

    def __init__(self, status: int, error_type: str) -> None:
        self.status = status
        self.error_type = error_type


class GatewayError(Exception):
    """The request ends here.

    Args:
        refusal: the type of gateway response.
        message: `$context.error.message`, in AWS's words.
        reason: what the operator should know; goes to the cloud's log, not to the caller.
    """

    def __init__(self, refusal: Refusal, message: str, *, reason: str | None = None) -> None:
        super().__init__(f"{refusal.name}: {message}" + (f" ({reason})" if reason else ""))
        self.refusal = refusal
        self.message = message
        self.reason = reason


def misconfigured(reason: str) -> GatewayError:
    """The API or the function's permissions are wrong; a caller learns no more than that."""
    return GatewayError(Refusal.API_CONFIGURATION_ERROR, "Internal server error", reason=reason)


def failed(reason: str) -> GatewayError:
    """The function failed, or answered what is no proxy response."""
    return GatewayError(Refusal.DEFAULT_5XX, "Internal server error", reason=reason)
