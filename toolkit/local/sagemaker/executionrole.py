"""A model's execution role: what it lets SageMaker do while IAM is enforced, and its credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.local.iam.decisions import Decision
from toolkit.local.iam.enforcement import DeniedError, Enforcement, SessionCredentials

_SERVICE = "sagemaker.amazonaws.com"
_SESSION = "SageMaker"


class RoleDeniedError(Exception):
    """The role may not do it, or does not trust SageMaker; the message is a failure reason."""


@dataclass(frozen=True)
class ExecutionRole:
    """The role of a model.

    Attributes:
        enforcement: decides.
        arn: of the role.
    """

    enforcement: Enforcement
    arn: str

    def require(self, action: str, resource: str, context: Mapping[str, str]) -> None:
        """Check that SageMaker may do something with this role.

        Args:
            action: such as `s3:GetObject`.
            resource: its ARN.
            context: condition keys of its own, such as `s3:prefix`.

        Raises:
            RoleDeniedError: it may not.
        """
        if not self.enforcement.enforced:
            return
        self.require_trust()
        role = self.enforcement.role(self.arn, _SESSION)
        _raise_if_denied(self.enforcement.allowed(role, action, resource, context))

    def require_trust(self) -> None:
        """Check that SageMaker can use the role at all.

        Raises:
            RoleDeniedError: it does not exist, or does not trust SageMaker.
        """
        if not self.enforcement.enforced:
            return
        if self.enforcement.account.role(self.arn) is None:
            raise RoleDeniedError(f"The role {self.arn} does not exist.")
        service = self.enforcement.service(_SERVICE)
        context = {"aws:SourceAccount": self.enforcement.account.id}
        _raise_if_denied(self.enforcement.allowed(service, "sts:AssumeRole", self.arn, context))

    def issue_credentials(self, region: str) -> SessionCredentials:
        """Temporary credentials of the role, for a container.

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
