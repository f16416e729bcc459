"""A client of the deployed API."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from toolkit.aws.access import AwsAccess
from toolkit.aws.signing import SignedRequests
from toolkit.environment import Environment
from toolkit.keys.store import DEFAULT_KEY, Keys

# SageMaker ends a non-streaming invocation at 60 s; the API allows more.
TIMEOUT_SECONDS = 120.0
_PROBE_SECONDS = 10.0


def open_api(keys: Keys, environment: Environment, base_url: str) -> httpx.Client:
    """A client with the key `default`, or with the caller's AWS credentials if the API has no keys."""
    if environment.api.auth == "iam":
        credentials = keys.access.credentials()
        return _client(keys.access, base_url, auth=SignedRequests(credentials, keys.access.region))
    value = keys.show(DEFAULT_KEY)
    if environment.api.key_header == "x-api-key":
        return _client(keys.access, base_url, headers={"x-api-key": value})
    return _client(keys.access, base_url, headers={"Authorization": f"Bearer {value}"})


def accepts(access: AwsAccess, base_url: str) -> Callable[[str], bool]:
    """A function that returns whether the API accepts a key's value now; it invokes no model."""

    def probe(value: str) -> bool:
        # An environment may read only one of the headers.
        headers = {"Authorization": f"Bearer {value}", "x-api-key": value}
        with _client(access, base_url, headers=headers, timeout=_PROBE_SECONDS) as api:
            try:
                # A throttled key is a valid key.
                return api.get("models").status_code in (200, 429)
            except httpx.TransportError:
                return False

    return probe


def _client(
    access: AwsAccess,
    base_url: str,
    *,
    headers: dict[str, str] | None = None,
    auth: httpx.Auth | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> httpx.Client:
    # A proxy cannot reach a loopback address.
    return httpx.Client(
        base_url=base_url + "/",
        headers=headers,
        auth=auth,
        timeout=timeout,
        trust_env=access.endpoint_url is None,
    )
