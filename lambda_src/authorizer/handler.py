"""REQUEST authorizer: names an API key to API Gateway, whose usage plans throttle and count requests.

`Authorization: Bearer KEY` and `x-api-key: KEY` name that key. The function does not check it: API Gateway
compares `usageIdentifierKey` with its keys and refuses unknown ones.

`Authorization: Bearer JWT` names the key that stands for all callers of a usage plan, if the environment has
an issuer and the token is valid. Only this function names such keys, so their values are not secret.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from authorizer.tokens import Caller, Tokens

Event = dict[str, Any]

# Only one of them if API Gateway caches responses by it: the other header must not matter then.
HEADERS: Final = os.environ.get("KEY_HEADERS", "x-api-key,authorization").lower().split(",")
_NAMED_KEY: Final = re.compile(r"sk-(?P<name>[a-z0-9-]+)-[A-Za-z0-9]{40}")
# The keys that stand for callers with a JWT, with and without an issuer.
_JWT_KEY: Final = re.compile(r"jwt-.+-[0-9a-f]{32}", re.IGNORECASE)


def _tokens() -> Tokens | None:
    if "JWT" not in os.environ:
        return None
    # Only then does the package contain the libraries, which take most of a cold start.
    from authorizer.issuer import IssuerKeys
    from authorizer.tokens import Settings, Tokens

    settings = Settings(**json.loads(os.environ["JWT"]))
    return Tokens(settings, IssuerKeys(settings.issuer, settings.jwks_url))


TOKENS: Final = _tokens()


def handler(event: Event, context: object) -> Event:  # noqa: ARG001 - Lambda's signature
    """Allow the request and name its key.

    Raises:
        Exception: `Unauthorized`, which API Gateway turns into a 401: there is neither key nor valid JWT.
        UnavailableError: the issuer's keys are unknown, which API Gateway turns into a 500.
    """
    headers = {name.lower(): (value or "").strip() for name, value in (event.get("headers") or {}).items()}
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    bearer = bearer.strip() if scheme.lower() == "bearer" else ""
    api_key = headers.get("x-api-key", "")
    if _JWT_KEY.fullmatch(api_key) or _JWT_KEY.fullmatch(bearer):
        raise _unauthorized()
    # First, because it is set on purpose: many clients always send a token in Authorization, even a dummy.
    if "x-api-key" in HEADERS and _is_key(api_key):
        return _response(event, api_key, _digest(api_key), {"keyName": _name(api_key)})
    if TOKENS is not None and bearer:
        from authorizer.tokens import is_jwt

        if is_jwt(bearer):
            return _identify(event, TOKENS, bearer)
    if "authorization" in HEADERS and _is_key(bearer):
        return _response(event, bearer, _digest(bearer), {"keyName": _name(bearer)})
    raise _unauthorized()


def _identify(event: Event, tokens: Tokens, token: str) -> Event:
    from authorizer.tokens import ForbiddenError, RefusedError

    try:
        caller = tokens.verify(token)
    except RefusedError as refusal:
        _log(f"{refusal}")
        raise _unauthorized() from None
    except ForbiddenError:
        _log("no usage plan")
        return _response(event, None, "none", {})
    key = tokens.settings.key_of(caller.usage_plan)
    return _response(event, key, caller.name, _context(caller))


def _context(caller: Caller) -> dict[str, str]:
    return {"keyName": f"jwt/{caller.usage_plan}", "caller": caller.name}


def _response(event: Event, key: str | None, principal: str, context: dict[str, str]) -> Event:
    """The result for API Gateway; without a key, it refuses the request with 403."""
    response = {
        # For access logs: a digest, which groups the requests of one key or caller.
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Deny" if key is None else "Allow",
                    "Action": "execute-api:Invoke",
                    "Resource": _whole_stage(event["methodArn"]),
                }
            ],
        },
        # The name in a key cannot be forged: API Gateway rejects the request unless it knows the whole key.
        "context": context,
    }
    return response if key is None else {**response, "usageIdentifierKey": key}


def _unauthorized() -> Exception:
    # API Gateway documents this text and this type.
    return Exception("Unauthorized")


def _log(reason: str) -> None:
    sys.stdout.write(json.dumps({"level": "INFO", "message": "refused a JWT", "reason": reason}) + "\n")


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


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
