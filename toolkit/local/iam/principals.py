"""Principals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class PrincipalKind(Enum):
    """The type of a principal, as in `aws:PrincipalType` where AWS has one."""

    ROOT = "Account"
    USER = "User"
    SESSION = "AssumedRole"
    FEDERATED = "FederatedUser"
    SERVICE = "Service"
    ANONYMOUS = "Anonymous"


@dataclass(frozen=True)
class Principal:
    """A principal.

    Attributes:
        arn: of the account's root, the user, the role session or the OIDC provider; a service principal's
            name such as `lambda.amazonaws.com`; `anonymous`.
        account: its account; empty if it has none.
        name: of the user, or of the session.
        id: AWS's unique id of the user, or `<role id>:<session>`.
        role_arn: the role of a session; empty for all others.
    """

    kind: PrincipalKind
    arn: str
    account: str = ""
    name: str = ""
    id: str = ""
    role_arn: str = ""

    @classmethod
    def root(cls, account: str) -> Principal:
        """The root user, which may do everything."""
        return cls(PrincipalKind.ROOT, f"arn:aws:iam::{account}:root", account, id=account)

    @classmethod
    def service(cls, name: str) -> Principal:
        """An AWS service, such as `apigateway.amazonaws.com`."""
        return cls(PrincipalKind.SERVICE, name)

    @classmethod
    def federated(cls, provider_arn: str) -> Principal:
        """The holder of an OIDC provider's token, who can only assume roles."""
        return cls(PrincipalKind.FEDERATED, provider_arn)

    @classmethod
    def anonymous(cls) -> Principal:
        """The sender of an unsigned request."""
        return cls(PrincipalKind.ANONYMOUS, "anonymous")
