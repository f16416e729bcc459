"""Policies and requests for tests of the embedded cloud's IAM."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.policy import Policy, parse_policy

ACCOUNT = "123456789012"


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    """Return a policy document with these statements."""
    return json.dumps({"Version": version, "Statement": list(statements)})


def policy(*statements: dict[str, Any], name: str = "test", version: str = "2012-10-17") -> Policy:
    """Return a policy with these statements for the evaluator."""
    return parse_policy(document(*statements, version=version), name)


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """Return a statement that denies."""
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def trust(principal: Any, action: str = "sts:AssumeRole", **more: Any) -> dict[str, Any]:
    """Return a statement of a trust policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


class Keys:
    """Return a request's condition keys; unknown ones have no value."""

    def __init__(
        self, values: Mapping[str, str | Sequence[str]] | None = None, unknown: Sequence[str] = ()
    ) -> None:
        self._values = {
            name.lower(): (value,) if isinstance(value, str) else tuple(value)
            for name, value in (values or {}).items()
        }
        self._unknown = unknown

    def values(self, key: str) -> tuple[str, ...] | None:
        if key in self._unknown:
            raise PolicyError(f"{key} is not known")
        return self._values.get(key.lower())


def oidc_token(claims: Mapping[str, Any], secret: str) -> str:
    """Return an OIDC token that is signed with the embedded cloud's secret, as if by any provider."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret.encode(), signed, "sha256")).rstrip(b"=")
    return f"{signed.decode()}.{signature.decode()}"
