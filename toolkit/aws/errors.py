"""Convert boto3's errors to the toolkit's errors, with remedies."""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from toolkit.errors import PreflightError, ToolkitError
from toolkit.iam import denials
from toolkit.project import Project

# Responses to S3's HEAD have a status but no body with a code.
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
# The key is unknown, or the secret does not match.
WRONG = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
THROTTLED = {"Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"}
SKEWED = {"RequestExpired", "RequestTimeTooSkewed"}
# Messages of clock skew among those of other wrong signatures.
_SKEWED_WORDS = ("Signature expired", "Signature not yet current")


def explain(error: BaseException) -> ToolkitError | None:
    """Convert an error from boto3; None for other errors."""
    if isinstance(error, ClientError):
        return _refused(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return PreflightError(f"no AWS credentials: {error}", remedy="set AWS_PROFILE, or log in to AWS")
    if isinstance(error, UnauthorizedSSOTokenError | TokenRetrievalError):
        return PreflightError(f"the AWS session has expired: {error}", remedy="run `aws sso login`")
    return _without_response(error)


def _without_response(error: BaseException) -> ToolkitError | None:
    # No connection, or an aborted one.
    if isinstance(error, ConnectionError | HTTPClientError | HTTPError):
        return PreflightError(
            str(error), remedy="check the network; for a local environment, run `toolkit local status`"
        )
    if isinstance(error, ResponseParserError):
        return PreflightError(
            f"cannot read the response, which is not from AWS: {error}",
            remedy="check AWS_ENDPOINT_URL, and that no proxy or login page of the network responds",
        )
    if isinstance(error, BotoCoreError):
        return PreflightError(f"cannot send a request to AWS: {error}")
    return None


def is_skewed(error: ClientError) -> bool:
    """Whether AWS refused a request because of the time of its signature."""
    details = error.response["Error"]
    return details.get("Code", "") in SKEWED or details.get("Message", "").startswith(_SKEWED_WORDS)


def _refused(error: ClientError) -> ToolkitError:
    details = error.response["Error"]
    code, reason = details.get("Code", ""), details.get("Message", "")
    message = f"AWS refused {error.operation_name}: {code}: {reason}"
    if code in DENIED:
        return _denied(message)
    if is_skewed(error):
        return PreflightError(
            message, remedy="correct this machine's clock: AWS rejects requests that are minutes off"
        )
    temporary = (
        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500 or code in THROTTLED
    )
    remedies = {
        "correct the access key and its secret, or select others with AWS_PROFILE": code in WRONG,
        "renew the credentials (`aws sso login`, or a new key)": code in EXPIRED,
        "ask an administrator to run `toolkit bootstrap` once for the account": code == "NoSuchBucket",
        "run the same command again in a few minutes": temporary,
    }
    for remedy, applies in remedies.items():
        if applies:
            return PreflightError(message, remedy=remedy)
    return ToolkitError(message)


def _denied(message: str) -> PreflightError:
    denied = denials.find(message)
    if not denied:
        return PreflightError(
            message, remedy="ask an administrator of the account for the missing permission"
        )
    return PreflightError(str(denied[0]), remedy=denials.remedy(Project.find(), denied))
