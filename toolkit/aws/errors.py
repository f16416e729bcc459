"""What boto3 raises, as errors a user can act on."""

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

from toolkit.errors import PreflightError, ToolkitError
from toolkit.iam import denials
from toolkit.project import Project

# S3's HEAD has no body to name a code in, only a status.
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
# The key is not known, or the secret is not the key's.
WRONG = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidSignatureException",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
SKEWED = {"RequestExpired", "RequestTimeTooSkewed"}
# How AWS words it where the code is that of any wrong signature.
_SKEWED_WORDS = ("Signature expired", "Signature not yet current")


def explain(error: BaseException) -> ToolkitError | None:
    """The readable form of an error from boto3; None if it is not one."""
    if isinstance(error, ClientError):
        return _refused(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return PreflightError(f"no AWS credentials: {error}", remedy="set AWS_PROFILE, or log in to AWS")
    if isinstance(error, UnauthorizedSSOTokenError | TokenRetrievalError):
        return PreflightError(f"the AWS session has expired: {error}", remedy="run `aws sso login`")
    # Not reached at all, or cut off in the middle.
    if isinstance(error, ConnectionError | HTTPClientError):
        return PreflightError(
            str(error), remedy="check the network; for a local environment: `toolkit local status`"
        )
    if isinstance(error, BotoCoreError):
        return PreflightError(f"AWS could not be asked: {error}")
    return None


def _refused(error: ClientError) -> ToolkitError:
    answer = error.response["Error"]
    code, said = answer.get("Code", ""), answer.get("Message", "")
    message = f"AWS refused {error.operation_name}: {code}: {said}"
    if code in DENIED:
        return _denied(message)
    if code in SKEWED or said.startswith(_SKEWED_WORDS):
        return PreflightError(message, remedy="set this machine's clock: AWS refuses what is minutes off")
    if code in WRONG:
        return PreflightError(
            message, remedy="correct the access key and its secret, or choose others with AWS_PROFILE"
        )
    if code in EXPIRED:
        return PreflightError(message, remedy="renew the credentials (`aws sso login`, or a fresh key)")
    if code == "NoSuchBucket":
        return PreflightError(
            message, remedy="an administrator runs `toolkit bootstrap` once for the account"
        )
    return ToolkitError(message)


def _denied(message: str) -> PreflightError:
    found = denials.find(message)
    if not found:
        return PreflightError(
            message, remedy="an administrator of the account can grant what the message names"
        )
    return PreflightError(str(found[0]), remedy=denials.remedy(Project.find(), found))
