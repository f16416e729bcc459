"""Tokens of OIDC providers, such as a CI system's: who they are from and what they say."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from toolkit.local.iam.account import Account
from toolkit.local.iam.mapping.reference import Action
from toolkit.local.iam.principal import Principal
from toolkit.local.iam.principals import AuthenticationError, Caller

# Claims that AWS makes condition keys of for every provider; the reference lists more for some.
_CLAIMS = ("sub", "aud", "amr")


def caller(token: str, action: Action, account: Account) -> tuple[Caller, dict[str, tuple[str, ...]]]:
    """Who a token is from, and the condition keys that its claims make.

    The signature is not verified: the provider is outside, and nothing outside is asked.

    Raises:
        AuthenticationError: the account does not know the provider, or the token is not meant for it.
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
