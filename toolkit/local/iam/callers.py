"""From the credentials of a request, or an OIDC token, to the caller with its policies."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from moto.core.utils import utcnow
from moto.iam.models import Role, User
from moto.sts.models import AssumedRole, sts_backends

from toolkit.local.iam.evaluate import Policies
from toolkit.local.iam.exceptions import AuthenticationError
from toolkit.local.iam.mapping.reference import Action
from toolkit.local.iam.models import PARTITION, Account
from toolkit.local.iam.policy import Policy, parse_policy
from toolkit.local.iam.principals import Principal, PrincipalKind
from toolkit.local.signature import ROOT_ACCESS_KEY, Signature, SignedRequest


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


@dataclass(frozen=True)
class Signer:
    """The holder of an access key: a user, a role session, or without both the root user."""

    secret: str = field(repr=False)
    user: User | None = None
    role: Role | None = None
    session: AssumedRole | None = None


def signer(signature: Signature, account: Account) -> Signer:
    """The holder of the access key of a signature, which is not verified.

    Raises:
        AuthenticationError: the key is unknown or expired.
    """
    if signature.access_key == ROOT_ACCESS_KEY:
        return Signer(account.root_secret)
    for user in list(account.iam.users.values()):
        for key in user.access_keys:
            if key.access_key_id == signature.access_key and key.status == "Active":
                return Signer(key.secret_access_key, user)
    session = sts_backends[account.id][PARTITION].get_assumed_role_from_access_key(signature.access_key)
    role = account.role(session.role_arn) if session is not None else None
    if session is None or role is None or session.session_token != signature.session_token:
        raise AuthenticationError(
            "InvalidClientTokenId", "The security token included in the request is invalid."
        )
    if session.expiration < utcnow():
        raise AuthenticationError("ExpiredToken", "The security token included in the request is expired")
    return Signer(session.secret_access_key, None, role, session)


def verify(signature: Signature, account: Account, request: SignedRequest) -> None:
    """Verify the signature of a request.

    Raises:
        AuthenticationError: the access key is unknown, or the signature expired or has another secret.
    """
    secret = signer(signature, account).secret
    reason = signature.not_current(time.time())
    if not reason and not signature.matches(request, secret):
        reason = (
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details."
        )
    if reason:
        raise AuthenticationError("SignatureDoesNotMatch", reason)


def caller(signature: Signature, account: Account) -> Caller:
    """The signer of a request, with its policies and tags.

    Raises:
        AuthenticationError: the credentials are unknown or expired.
    """
    if not signature.access_key:
        return Caller(Principal.anonymous())
    signed_by = signer(signature, account)
    if signed_by.user is not None:
        user = signed_by.user
        principal = Principal(PrincipalKind.USER, user.arn, account.id, user.name, user.id)
        return Caller(principal, user, tags=account.tags.of(user.arn))
    if signed_by.role is not None and signed_by.session is not None:
        return of_role(signed_by.role, signed_by.session.session_name, account, signed_by.session)
    return Caller(Principal.root(account.id))


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
    return replace(
        policies,
        identity=tuple(account.identity_policies(caller.owner)),
        boundary=account.managed_policy(boundary_arn) if boundary_arn else None,
        session=() if caller.session is None else tuple(_session_policies(caller.session, account)),
    )


def _session_policies(session: AssumedRole, account: Account) -> Iterator[Policy]:
    if session.policy:
        yield parse_policy(session.policy, f"session {session.session_name}")
    policy_arns: tuple[str, ...] = session.policy_arns  # type: ignore[attr-defined]  # keep_session_policies
    for arn in policy_arns:
        yield account.managed_policy(arn)


# Claims that are condition keys for every provider; the reference lists more for some providers.
_CLAIMS = ("sub", "aud", "amr")


def web_identity_caller(
    token: str, action: Action, account: Account
) -> tuple[Caller, dict[str, tuple[str, ...]]]:
    """The holder of an OIDC token, and the condition keys from its claims.

    Raises:
        AuthenticationError: the account has no such provider, or the token is invalid, expired or for another
            audience.
    """
    content = claims(token, account)
    issuer = str(content.get("iss", "")).partition("://")[2]
    provider = next((item for item in account.iam.open_id_providers.values() if item.url == issuer), None)
    if provider is None:
        raise AuthenticationError(
            "InvalidIdentityToken", f"No OpenIDConnect provider found in your account for https://{issuer}"
        )
    audiences = _texts(content.get("azp") or content.get("aud"))
    if not set(audiences) & set(provider.client_id_list):
        raise AuthenticationError("InvalidIdentityToken", "Incorrect token audience")
    if float(content.get("exp", 0)) < time.time():
        raise AuthenticationError(
            "ExpiredTokenException", "Token expired: current date/time must be before exp"
        )
    keys = {
        f"{issuer}:{name}": _texts(value)
        for name, value in content.items()
        if name in _CLAIMS or action.has_key(f"{issuer}:{name}")
    }
    return Caller(Principal.federated(provider.arn)), {**keys, f"{issuer}:aud": audiences}


def claims(token: str, account: Account) -> Mapping[str, Any]:
    """The claims of an OIDC token.

    The public keys of a provider cannot be fetched without a network, so the cloud's root user is every
    provider: tokens are signed with its secret (HS256).

    Raises:
        AuthenticationError: it is not a token, or has another signature.
    """
    signed, _, signature = token.rpartition(".")
    expected = base64.urlsafe_b64encode(hmac.digest(account.root_secret.encode(), signed.encode(), "sha256"))
    if not hmac.compare_digest(expected.rstrip(b"="), signature.rstrip("=").encode()):
        raise AuthenticationError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
    try:
        payload = signed.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError) as error:
        raise AuthenticationError(
            "InvalidIdentityToken", "The ID Token provided is not a valid JWT."
        ) from error
    if not isinstance(content, dict):
        raise AuthenticationError("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
    return content


def _texts(value: Any) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(str(item) for item in items if item is not None)
