"""A model's execution role: its permissions while IAM is enforced, and its credentials for containers.

Like the agent on AWS, the cloud gives a container an address and a token in its environment; the container's
SDK requests temporary credentials there as often as it needs them.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from toolkit.local.iam.enforcement import Decision, DeniedError, Enforcement, SessionCredentials
from toolkit.local.sagemaker.exceptions import RoleDeniedError

_SERVICE = "sagemaker.amazonaws.com"
_SESSION = "SageMaker"


@dataclass(frozen=True)
class ExecutionRole:
    """A model's execution role.

    Attributes:
        enforcement: evaluates the role's policies.
        arn: the role's ARN.
    """

    enforcement: Enforcement
    arn: str

    def require(self, action: str, resource: str, context: Mapping[str, str]) -> None:
        """Check that the role allows an action.

        Args:
            action: such as `s3:GetObject`.
            resource: the ARN.
            context: the action's condition keys, such as `s3:prefix`.

        Raises:
            RoleDeniedError: the role does not allow it.
        """
        if not self.enforcement.enforced:
            return
        self.require_trust()
        role = self.enforcement.role(self.arn, _SESSION)
        _raise_if_denied(self.enforcement.allowed(role, action, resource, context))

    def require_trust(self, *, always: bool = False) -> None:
        """Check that SageMaker can assume the role.

        Args:
            always: even while IAM is not enforced.

        Raises:
            RoleDeniedError: the role does not exist or does not trust SageMaker.
        """
        if not self.enforcement.enforced and not always:
            return
        if self.enforcement.account.role(self.arn) is None:
            raise RoleDeniedError(f"The role {self.arn} does not exist.")
        service = self.enforcement.service(_SERVICE)
        context = {"aws:SourceAccount": self.enforcement.account.id}
        decision = self.enforcement.allowed(service, "sts:AssumeRole", self.arn, context, always=always)
        _raise_if_denied(decision)

    def issue_credentials(self, region: str) -> SessionCredentials:
        """Issue temporary credentials of the role for a container.

        Raises:
            RoleDeniedError: see `require_trust`.
        """
        try:
            return self.enforcement.issue_role_credentials(self.arn, _SERVICE, _SESSION, region=region)
        except DeniedError as error:
            raise RoleDeniedError(str(error)) from error


def _raise_if_denied(decision: Decision) -> None:
    if not decision.allowed:
        raise RoleDeniedError(decision.message)


_PATH = "/_toolkit/container-credentials"
# SDKs refresh credentials 15 minutes before they expire.
_RENEW = timedelta(hours=1)


@dataclass
class _Grant:
    """The address and token of one role's containers in one region."""

    role: ExecutionRole
    region: str
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    credentials: SessionCredentials | None = None

    def current(self) -> SessionCredentials:
        """Credentials that are valid for at least an hour; raises RoleDeniedError."""
        if self.credentials is None or self.credentials.expiration - datetime.now(UTC) < _RENEW:
            self.credentials = self.role.issue_credentials(self.region)
        return self.credentials


class ContainerCredentials:
    """The credentials endpoint of all containers."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._grants: dict[tuple[str, str], _Grant] = {}

    def environment(self, role: ExecutionRole, region: str) -> dict[str, str]:
        """The environment variables that point a container's SDK to its credentials."""
        grant = self._grants.setdefault((role.arn, region), _Grant(role, region))
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self._endpoint_url}{_PATH}/{grant.id}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": grant.token,
        }

    def routes(self) -> Sequence[BaseRoute]:
        """The route that SDKs request credentials from."""
        return [Route(f"{_PATH}/{{id}}", self._respond)]

    async def _respond(self, request: Request) -> Response:
        token = request.headers.get("authorization", "")
        grants = (grant for grant in self._grants.values() if grant.id == request.path_params["id"])
        grant = next(grants, None)
        if grant is None or not hmac.compare_digest(grant.token.encode(), token.encode()):
            return _error_response("AccessDenied", "The token is missing or wrong.")
        try:
            credentials = grant.current()
        except RoleDeniedError as error:
            return _error_response("AssumeRoleUnauthorizedAccess", str(error))
        return JSONResponse(
            {
                "RoleArn": grant.role.arn,
                "AccessKeyId": credentials.access_key_id,
                "SecretAccessKey": credentials.secret_access_key,
                "Token": credentials.session_token,
                "Expiration": credentials.expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )


def _error_response(code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message}, 403)
