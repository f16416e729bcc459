"""REQUEST authorizer: `Authorization: Bearer <key>` or `x-api-key: <key>` → API Gateway's own API keys.

It does not check keys: API Gateway compares `usageIdentifierKey` with its keys and refuses unknown ones, so
that keys, throttles and quotas are in one place. The authorizer only refuses requests without a key.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, Final

Event = dict[str, Any]

# Only one of them if API Gateway caches responses by it: the other header must not matter then.
HEADERS: Final = os.environ.get("KEY_HEADERS", "x-api-key,authorization").lower().split(",")
_NAMED_KEY: Final = re.compile(r"sk-(?P<name>[a-z0-9-]+)-[A-Za-z0-9]{40}")


def handler(event: Event, context: object) -> Event:  # noqa: ARG001 - Lambda's signature
    """Allow the request and name its key.

    Raises:
        Exception: `Unauthorized`, which API Gateway turns into a 401: no header contains a key.
    """
    key = _key(event.get("headers") or {})
    return {
        # For access logs: a digest, which groups the requests of one key.
        "principalId": hashlib.sha256(key.encode()).hexdigest()[:16],
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": _whole_stage(event["methodArn"]),
                }
            ],
        },
        # A name cannot be forged: API Gateway rejects the request unless it knows the whole key.
        "context": {"keyName": _name(key)},
        "usageIdentifierKey": key,
    }


def _key(headers: dict[str, str | None]) -> str:
    values = {name.lower(): (value or "").strip() for name, value in headers.items()}
    # First, because it is set on purpose: many clients always send a key in Authorization, even a dummy.
    if "x-api-key" in HEADERS and _is_key(values.get("x-api-key", "")):
        return values["x-api-key"]
    if "authorization" in HEADERS:
        scheme, _, token = values.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _is_key(token.strip()):
            return token.strip()
    # API Gateway documents this text and this type.
    raise Exception("Unauthorized")  # noqa: TRY002


def _is_key(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _name(key: str) -> str:
    """The name that the toolkit puts into a key; empty for keys created elsewhere."""
    match = _NAMED_KEY.fullmatch(key)
    return match["name"] if match else ""


def _whole_stage(method_arn: str) -> str:
    """The stage's ARN: API Gateway may cache the policy, which must allow the stage's other methods too."""
    api, stage, _ = method_arn.split("/", 2)
    return f"{api}/{stage}/*"
