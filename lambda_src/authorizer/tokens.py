"""Verification of JSON Web Tokens (RFC 7519), by the practices of RFC 8725."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from authorizer.issuer import IssuerKeys, Jwk

# API Gateway limits all headers of a request to this size.
_MAX_CHARACTERS: Final = 10_240
_COMPACT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
# RFC 8693, 4.2: values with a space between them.
_SPACE_SEPARATED: Final = ("scope", "scp")


class RefusedError(Exception):
    """The token proves nothing; the message says why, without any part of the token."""


class ForbiddenError(Exception):
    """The token is valid, but no usage plan is for its caller."""


@dataclass(frozen=True)
class Settings:
    """The section `api.jwt` of the environment file.

    Attributes:
        issuer: URL of the issuer, as in the tokens.
        audience: names of this API in the tokens.
        algorithms: permitted signatures.
        leeway_seconds: difference between clocks that is accepted.
        claim: claim that decides the usage plan; None if all callers have the default one.
        usage_plans: values of the claim and their plans; the first that matches applies.
        default_usage_plan: for other callers; None refuses them.
        log_subject: whether logs contain the subject, instead of its digest.
        jwks_url: address of the issuer's keys; None discovers it.
        key_digest: part of the API keys that stand for callers with a token; see `key_of`.
    """

    issuer: str
    audience: Sequence[str]
    algorithms: Sequence[str]
    leeway_seconds: int
    key_digest: str
    claim: str | None = None
    usage_plans: Sequence[tuple[str, str]] = ()
    default_usage_plan: str | None = None
    log_subject: bool = False
    jwks_url: str | None = None

    def key_of(self, usage_plan: str) -> str:
        """Value of the API key that stands for the callers of a usage plan."""
        return f"jwt-{usage_plan}-{self.key_digest}"


@dataclass(frozen=True)
class Caller:
    """The caller that a token identifies.

    Attributes:
        usage_plan: the caller's usage plan.
        name: for logs: a digest of issuer and subject, or the subject.
    """

    usage_plan: str
    name: str


def is_jwt(text: str) -> bool:
    """Whether a bearer token is a JWT, valid or not: three parts, of which the first is a JSON object."""
    if _COMPACT.fullmatch(text) is None:
        return False
    try:
        header = json.loads(jwt.utils.base64url_decode(text.partition(".")[0]))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict)


class Tokens:
    """Verifies the tokens of one issuer."""

    def __init__(self, settings: Settings, keys: IssuerKeys) -> None:
        self.settings = settings
        self._keys = keys

    def verify(self, token: str) -> Caller:
        """The caller that a token identifies.

        Raises:
            RefusedError: it is malformed, forged, expired, or for another API.
            ForbiddenError: no usage plan is for its caller.
            UnavailableError: the issuer's keys are unknown.
        """
        if len(token) > _MAX_CHARACTERS:
            raise RefusedError("too long")
        kid, algorithm, has_audience = self._inspect(token)
        keys = self._keys.find(kid, algorithm)
        if not keys:
            raise RefusedError("unknown key")
        claims = self._claims(token, keys, algorithm, has_audience=has_audience)
        plan = self._usage_plan(claims)
        if plan is None:
            raise ForbiddenError
        subject = claims["sub"]
        # JSON can contain half of a surrogate pair.
        identity = f"{self.settings.issuer} {subject}".encode(errors="surrogatepass")
        digest = hashlib.sha256(identity).hexdigest()[:16]
        # Without characters that could end a string in a log.
        name = re.sub(r"[^\w.@:|/+=-]", "_", subject[:256], flags=re.ASCII)
        return Caller(plan, name if name and self.settings.log_subject else digest)

    def _inspect(self, token: str) -> tuple[str | None, str, bool]:
        """Key id, algorithm and whether there is an audience: unverified, to find the key."""
        try:
            parts = jwt.decode_complete(token, options={"verify_signature": False})
        except jwt.PyJWTError:
            raise RefusedError("malformed") from None
        header, claims = parts["header"], parts["payload"]
        algorithm = header.get("alg")
        if algorithm not in self.settings.algorithms:
            raise RefusedError("algorithm not allowed")
        # Before any request to the issuer.
        if claims.get("iss") != self.settings.issuer:
            raise RefusedError("another issuer")
        return header.get("kid"), algorithm, "aud" in claims

    def _claims(
        self, token: str, keys: Sequence[Jwk], algorithm: str, *, has_audience: bool
    ) -> dict[str, Any]:
        settings = self.settings
        reason = "unknown key"
        for key in keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    jwt.PyJWK(dict(key), algorithm),
                    algorithms=[algorithm],
                    issuer=settings.issuer,
                    audience=list(settings.audience),
                    leeway=settings.leeway_seconds,
                    options={
                        "require": ["exp", "iss", "sub"],
                        "verify_aud": has_audience,
                        "enforce_minimum_key_length": True,
                    },
                )
            except jwt.PyJWTError as error:
                reason = type(error).__name__
                continue
            # As API Gateway's own authorizer for HTTP APIs, because Cognito's access tokens have no audience:
            # docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
            if not has_audience and claims.get("client_id") not in settings.audience:
                raise RefusedError("another audience")
            return claims
        raise RefusedError(reason) from None

    def _usage_plan(self, claims: dict[str, Any]) -> str | None:
        settings = self.settings
        values = _values(claims, settings.claim) if settings.claim is not None else []
        plans = (plan for value, plan in settings.usage_plans if value in values)
        return next(plans, settings.default_usage_plan)


def _values(claims: dict[str, Any], name: str) -> list[str]:
    """The texts of a claim: one, a list of them, or those of a member such as `realm_access.roles`."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        return value.split(" ") if name in _SPACE_SEPARATED else [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
