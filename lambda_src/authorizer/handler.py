"""REQUEST authorizer: `Authorization: Bearer <key>` or `x-api-key: <key>` → API Gateway's own API keys.

It decides nothing: API Gateway compares `usageIdentifierKey` with its keys and refuses those it does
not know, so that keys, throttles and quotas are in one place. Only what is no key at all is refused here.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, Final

Event = dict[str, Any]

# One of them alone where API Gateway keeps answers by it: another header must then not matter.
HEADERS: Final = os.environ.get("KEY_HEADERS", "x-api-key,authorization").lower().split(",")
_NAMED_KEY: Final = re.compile(r"sk-(?P<name>[a-z0-9-]+)-[A-Za-z0-9]{40}")


def handler(event: Event, context: object) -> Event:  # noqa: ARG001 - Lambda's signature
    """Answer API Gateway.

    Raises:
        Exception: `Unauthorized`, API Gateway's word for a 401: no header holds a key.
    """
    key = _key(event.get("headers") or {})
    return {
        # Shows in access logs: a digest, by which requests of one key can be put together.
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
        # Nobody can claim a name with it: API Gateway lets a request pass only if the whole key is known.
        "context": {"keyName": _name(key)},
        "usageIdentifierKey": key,
    }


def _key(headers: dict[str, str | None]) -> str:
    given = {name.lower(): (value or "").strip() for name, value in headers.items()}
    # Clients that want an API key of their own send one in Authorization, whatever x-api-key says: that
    # somebody has set, so it comes first.
    if "x-api-key" in HEADERS and _is_key(given.get("x-api-key", "")):
        return given["x-api-key"]
    if "authorization" in HEADERS:
        scheme, _, token = given.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _is_key(token.strip()):
            return token.strip()
    # API Gateway knows this text, and documents it with this type.
    raise Exception("Unauthorized")  # noqa: TRY002


def _is_key(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _name(key: str) -> str:
    """The name that the toolkit has put into a key; empty for keys of other makers."""
    named = _NAMED_KEY.fullmatch(key)
    return named["name"] if named else ""


def _whole_stage(method_arn: str) -> str:
    """The stage's ARN: the answer may be cached, and must hold for the stage's other methods too."""
    api, stage, _ = method_arn.split("/", 2)
    return f"{api}/{stage}/*"
