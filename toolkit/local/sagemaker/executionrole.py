"""What a model's execution role lets SageMaker do, while IAM is enforced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.local.iam.enforcement import Enforcement

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
        try:
            role = self.enforcement.role(self.arn, _SESSION)
        except LookupError as error:
            raise RoleDeniedError(f"The role {self.arn} does not exist.") from error
        service = self.enforcement.service(_SERVICE)
        for decision in (
            self.enforcement.allowed(
                service, "sts:AssumeRole", self.arn, {"aws:SourceAccount": self.enforcement.account.id}
            ),
            self.enforcement.allowed(role, action, resource, context),
        ):
            if not decision.allowed:
                raise RoleDeniedError(decision.message)
