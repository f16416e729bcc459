"""Principals, and the credentials in a request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

from toolkit.local.service import DEFAULT_REGION


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


_SCOPE = re.compile(r"(?P<key>[^/=,\s]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request", re.ASCII)


@dataclass(frozen=True)
class Credentials:
    """The credentials that sign a request. The signature is not verified.

    Attributes:
        access_key: empty if the request is unsigned.
        session_token: empty for a user's key.
        region: the signing region.
        service: the signing name, such as `monitoring` for CloudWatch; empty if unsigned.
        presigned: whether they are in a presigned URL.
    """

    access_key: str = ""
    session_token: str = ""
    region: str = DEFAULT_REGION
    service: str = ""
    presigned: bool = False

    @classmethod
    def of(cls, scope: Scope) -> Credentials:
        """Parse the Authorization header, or the query string of a presigned URL."""
        headers = Headers(scope=scope)
        presigned = "authorization" not in headers
        query: dict[str, list[str]] = {}
        if presigned:
            query = parse_qs(bytes(scope["query_string"]).decode("latin1"))
        text = query.get("X-Amz-Credential", [""])[0] if presigned else headers["authorization"]
        match = _SCOPE.search(text)
        if match is None:
            return cls()
        token = (
            query.get("X-Amz-Security-Token", [""])[0]
            if presigned
            else headers.get("x-amz-security-token", "")
        )
        return cls(match["key"], token, match["region"], match["service"].lower(), presigned)
