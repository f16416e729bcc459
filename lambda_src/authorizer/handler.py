"""TOKEN authorizer: `Authorization: Bearer <key>` → API Gateway's own API keys.

It decides nothing: API Gateway compares `usageIdentifierKey` with its keys and refuses those it does
not know, so that keys, throttles and quotas are in one place. Only what is no bearer token at all is
refused here.
"""

from __future__ import annotations

import hashlib
from typing import Any

Event = dict[str, Any]


def handler(event: Event, context: object) -> Event:  # noqa: ARG001 - Lambda's signature
    """Answer API Gateway.

    Raises:
        Exception: `Unauthorized`, API Gateway's word for a 401: the header holds no bearer token.
    """
    key = _bearer_token(event.get("authorizationToken"))
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
        "usageIdentifierKey": key,
    }


def _bearer_token(header: object) -> str:
    scheme, _, token = str(header or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or not token.isascii() or not token.isprintable():
        # API Gateway knows this text, and documents it with this type.
        raise Exception("Unauthorized")  # noqa: TRY002
    return token


def _whole_stage(method_arn: str) -> str:
    """The stage's ARN: the answer is cached by token, and must hold for the stage's other methods too."""
    api, stage, _ = method_arn.split("/", 2)
    return f"{api}/{stage}/*"
