"""The public keys of an OpenID Connect issuer (RFC 7517), cached by each instance of the function."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

# A withdrawn key stops working after this time.
REFRESH_SECONDS: Final = 600
# If the issuer is out of reach, it issues no new tokens, and most tokens live for an hour.
STALE_SECONDS: Final = 3600
# Between two attempts, whatever tokens arrive: callers cannot make the function flood the issuer.
RETRY_SECONDS: Final = 30
# All of an attempt; the function's timeout is 10 s.
_DEADLINE_SECONDS: Final = 5.0
# The largest public key sets have some 20 KB.
MAX_BYTES: Final = 512 * 1024
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")

Jwk = Mapping[str, Any]


class UnavailableError(Exception):
    """The issuer's keys are unknown, so that no token can be judged."""


class IssuerKeys:
    """Finds keys by their id, and fetches them again when they are old or one is missing.

    Args:
        issuer: its URL.
        jwks_url: address of the keys; by default the issuer's discovery document names it.
        clock: the time in seconds; the wall clock, because the monotonic one may stop with a frozen function.
    """

    def __init__(self, issuer: str, jwks_url: str | None, clock: Callable[[], float] = time.time) -> None:
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._clock = clock
        self._keys: Sequence[Jwk] | None = None
        self._fetched_at = self._attempted_at = float("-inf")
        self._failed = False

    def find(self, kid: str | None, algorithm: str) -> list[Jwk]:
        """The keys with an id that may verify a signature by an algorithm.

        Args:
            kid: the key's id; None finds the only key, if the issuer has one only.
            algorithm: of the signature, as in RFC 7518.

        Raises:
            UnavailableError: the issuer is out of reach, and its cached keys are too old or lack this one.
        """
        if not self._is_within(self._fetched_at, REFRESH_SECONDS):
            self._refresh()
        if self._keys is None or not self._is_within(self._fetched_at, STALE_SECONDS):
            raise UnavailableError
        keys = _matching(self._keys, kid, algorithm)
        # The issuer may have begun to sign with a new key.
        if not keys and self._refresh():
            keys = _matching(self._keys, kid, algorithm)
        if not keys and self._failed:
            raise UnavailableError
        return keys

    def _is_within(self, since: float, seconds: float) -> bool:
        # A clock that is set back must not stop refreshes.
        return 0 <= self._clock() - since < seconds

    def _refresh(self) -> bool:
        if self._is_within(self._attempted_at, RETRY_SECONDS):
            return False
        self._attempted_at = self._clock()
        try:
            self._keys = _fetch_keys(self._issuer, self._jwks_url)
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            self._failed = True
            line = {"level": "ERROR", "message": "cannot fetch the issuer's keys", "reason": str(error)}
            sys.stdout.write(json.dumps({**line, "error": type(error).__name__}) + "\n")
            return False
        self._fetched_at = self._attempted_at
        self._failed = False
        return True


def _matching(keys: Sequence[Jwk], kid: str | None, algorithm: str) -> list[Jwk]:
    suitable = [key for key in keys if _may_verify(key, algorithm)]
    if kid is None:
        return suitable if len(suitable) == 1 else []
    return [key for key in suitable if key.get("kid") == kid]


def _may_verify(key: Jwk, algorithm: str) -> bool:
    """Whether a key is for signatures by this algorithm (RFC 7517, 4.2 to 4.4)."""
    kinds = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
    return (
        key.get("kty") == kinds.get(algorithm[:2], "none")
        and key.get("use") in (None, "sig")
        and key.get("alg") in (None, algorithm)
        and ("key_ops" not in key or "verify" in (key["key_ops"] or ()))
    )


def _fetch_keys(issuer: str, jwks_url: str | None) -> list[Jwk]:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    if jwks_url is None:
        document = _get(issuer.rstrip("/") + "/.well-known/openid-configuration", deadline)
        # OpenID Connect Discovery 1.0, 4.3: otherwise one issuer could speak for another.
        if document.get("issuer") != issuer:
            raise ValueError("the discovery document is of another issuer")
        jwks_url = str(document.get("jwks_uri"))
    match _get(jwks_url, deadline):
        case {"keys": list(keys)}:
            return [key for key in keys if isinstance(key, dict)]
    raise ValueError(f"{jwks_url} has no keys")


def _get(url: str, deadline: float) -> dict[str, Any]:
    """A JSON object from a URL, without redirects and proxies.

    Raises:
        OSError, http.client.HTTPException: the server is out of reach, or too slow.
        ValueError: the URL or the response is not acceptable.
    """
    parts = urlsplit(url)
    remaining = deadline - time.monotonic()
    if remaining <= 0 or parts.hostname is None:
        raise ValueError(f"cannot fetch {url} in time")
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=remaining, context=context
        )
    elif parts.scheme == "http" and parts.hostname in _LOOPBACK:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=remaining)
    else:
        raise ValueError(f"{url} does not begin with https://")
    try:
        target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"{url} responded with status {response.status}")
        body = b""
        while part := response.read1(65536):
            body += part
            if len(body) > MAX_BYTES:
                raise ValueError(f"{url} responded with more than {MAX_BYTES} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} responded too slowly")
    finally:
        connection.close()
    match json.loads(body):
        case dict(document):
            return document
    raise ValueError(f"{url} did not respond with a JSON object")
