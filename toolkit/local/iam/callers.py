"""From the credentials of a request, or an OIDC token, to the caller with its policies."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import Role, User
from moto.sts.models import AssumedRole, sts_backends

from toolkit.local.iam.evaluate import Policies
from toolkit.local.iam.exceptions import AuthenticationError
from toolkit.local.iam.mapping.reference import Action
from toolkit.local.iam.models import PARTITION, Account
from toolkit.local.iam.policy import parse_policy
from toolkit.local.iam.principals import Credentials, Principal, PrincipalKind
from toolkit.local.service import ACCESS_KEY


@dataclass(frozen=True)
class Caller:
    """A principal with its policies and tags.

    Attributes:
        owner: the user or role with the policies; None for other principals.
        session: of a role session.
        tags: of the user or role.
    """

    principal: Principal
    owner: User | Role | None = None
    session: AssumedRole | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def caller(credentials: Credentials, account: Account) -> Caller:
    """The signer of a request.

    Raises:
        AuthenticationError: the credentials are unknown or expired.
    """
    if not credentials.access_key:
        return Caller(Principal.anonymous())
    if credentials.access_key == ACCESS_KEY:
        return Caller(Principal.root(account.id))
    for user in list(account.iam.users.values()):
        for key in user.access_keys:
            if key.access_key_id == credentials.access_key and key.status == "Active":
                principal = Principal(PrincipalKind.USER, user.arn, account.id, user.name, user.id)
                return Caller(principal, user, tags=account.tags.of(user.arn))
    session = sts_backends[account.id][PARTITION].get_assumed_role_from_access_key(credentials.access_key)
    role = account.role(session.role_arn) if session is not None else None
    if session is None or role is None or session.session_token != credentials.session_token:
        raise AuthenticationError(
            "InvalidClientTokenId", "The security token included in the request is invalid."
        )
    if session.expiration < utcnow():
        raise AuthenticationError("ExpiredToken", "The security token included in the request is expired")
    return of_role(role, session.session_name, account, session)


def of_role(role: Role, session_name: str, account: Account, session: AssumedRole | None = None) -> Caller:
    """A session of a role. Without `session`, a service acts with the role."""
    arn = f"arn:{PARTITION}:sts::{account.id}:assumed-role/{role.name}/{session_name}"
    principal = Principal(
        PrincipalKind.SESSION, arn, account.id, session_name, f"{role.id}:{session_name}", role.arn
    )
    return Caller(principal, role, session, account.tags.of(role.arn))


def policies(caller: Caller, resource: str, action: str, account: Account) -> Policies:
    """All policies for a caller's request.

    Raises:
        PolicyError: a policy cannot be parsed.
    """
    of_resource = account.resource_policy(resource, action)
    policies = Policies(
        resource=of_resource.policy,
        resource_kind=of_resource.kind,
        resource_decides=of_resource.decides,
    )
    if caller.owner is None:
        return policies
    boundary_arn = account.boundary_arn(caller.owner.arn)
    session_policy = caller.session.policy if caller.session is not None else None
    return replace(
        policies,
        identity=tuple(account.identity_policies(caller.owner)),
        boundary=account.managed_policy(boundary_arn) if boundary_arn else None,
        session=parse_policy(session_policy, f"session {caller.principal.name}") if session_policy else None,
    )


# Claims that are condition keys for every provider; the reference lists more for some providers.
_CLAIMS = ("sub", "aud", "amr")


def web_identity_caller(
    token: str, action: Action, account: Account
) -> tuple[Caller, dict[str, tuple[str, ...]]]:
    """The holder of an OIDC token, and the condition keys from its claims.

    The signature is not verified, which would take a request to the provider.

    Raises:
        AuthenticationError: the account has no such provider, or the token has another audience or expired.
    """
    claims = _claims(token)
    issuer = str(claims.get("iss", "")).partition("://")[2]
    provider = next((item for item in account.iam.open_id_providers.values() if item.url == issuer), None)
    if provider is None:
        raise AuthenticationError(
            "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for https://{issuer}"
        )
    audiences = _texts(claims.get("azp") or claims.get("aud"))
    if not set(audiences) & set(provider.client_id_list):
        raise AuthenticationError("InvalidIdentityToken", "Incorrect token audience")
    if float(claims.get("exp", 0)) < time.time():
        raise AuthenticationError(
            "ExpiredTokenException", "Token expired: current date/time must be before exp"
        )
    keys = {
        f"{issuer}:{name}": _texts(value)
        for name, value in claims.items()
        if name in _CLAIMS or action.has_key(f"{issuer}:{name}")
    }
    return Caller(Principal.federated(provider.arn)), {**keys, f"{issuer}:aud": audiences}


def _claims(token: str) -> Mapping[str, Any]:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise AuthenticationError(
            "InvalidIdentityToken", "The ID Token provided is not a valid JWT."
        ) from error
    if not isinstance(claims, dict):
        raise AuthenticationError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
    return claims


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(str(item) for item in items if item is not None)
