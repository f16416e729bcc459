"""A client of the deployed API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from toolkit.aws.access import AwsAccess
from toolkit.aws.signing import SignedRequests
from toolkit.environment import Environment
from toolkit.keys.rotation import ATTEMPTS, wait_until_accepted
from toolkit.keys.store import DEFAULT_KEY, Keys

# SageMaker ends a non-streaming invocation at 60 s; the API allows more.
TIMEOUT_SECONDS = 120.0
_PROBE_SECONDS = 10.0
# Repetitions of a request that got no response, or that the API asks to repeat.
_RETRIES = 4
_FIRST_DELAY_SECONDS = 0.2
_LONGEST_RETRY_AFTER_SECONDS = 10
_OVERLOADED = (429, 503)


class RetryingClient(httpx.Client):
    """Repeats requests without side effects, as SDKs do, until a response begins.

    A response that breaks off later is a defect of the deployment, which a smoke test must find.
    """

    def send(self, request: httpx.Request, *, stream: bool = False, **settings: Any) -> httpx.Response:
        """Send a request, at most `_RETRIES` times again."""
        for retry in range(_RETRIES):
            delay = _FIRST_DELAY_SECONDS * 2**retry
            try:
                response = super().send(request, stream=True, **settings)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                time.sleep(delay)
                continue
            seconds = response.headers.get("retry-after", "")
            if response.status_code not in _OVERLOADED or not seconds.isdecimal():
                break
            if int(seconds) > _LONGEST_RETRY_AFTER_SECONDS:
                break
            response.close()
            time.sleep(max(int(seconds), delay))
        else:
            response = super().send(request, stream=True, **settings)
        if not stream:
            response.read()
        return response


def open_api(keys: Keys, environment: Environment, base_url: str) -> httpx.Client:
    """A client with the key `default` once the API accepts it, or with the caller's AWS credentials."""
    if environment.api.auth == "iam":
        return authorized(keys.access, environment, base_url, None)
    value = keys.show(DEFAULT_KEY)
    wait_until_accepted(
        {DEFAULT_KEY: value}, acceptance(keys.access, base_url), attempts(environment, DEFAULT_KEY)
    )
    return authorized(keys.access, environment, base_url, value)


def authorized(
    access: AwsAccess, environment: Environment, base_url: str, key: str | None, **settings: Any
) -> httpx.Client:
    """A client of the API with a key, or with the caller's AWS credentials.

    Args:
        access: the account.
        environment: the environment.
        base_url: the API's URL, which ends in `/v1`.
        key: value of the key; None to sign requests.
        settings: further settings of the client.
    """
    if key is None:
        return _client(access, base_url, auth=SignedRequests(access.credentials(), access.region), **settings)
    if environment.api.key_header == "x-api-key":
        return _client(access, base_url, headers={"x-api-key": key}, **settings)
    return _client(access, base_url, headers={"Authorization": f"Bearer {key}"}, **settings)


def anonymous(access: AwsAccess, base_url: str, **settings: Any) -> httpx.Client:
    """A client of the API without credentials, except those in `settings`; it repeats no request."""
    return _client(access, base_url, httpx.Client, **settings)


def attempts(environment: Environment, name: str) -> int:
    """How often to try a key: once if that uses up much of its burst, or if it has a quota."""
    # After a rollback, the plan of a key can be missing from the file.
    plan = environment.api.plans.get(environment.api.key_plans.get(name, DEFAULT_KEY))
    return 1 if plan is None or plan.quota is not None or plan.burst <= ATTEMPTS else ATTEMPTS


def accepts(access: AwsAccess, base_url: str) -> Callable[[str], bool]:
    """A function that returns whether the API accepts a key's value now; it invokes no model."""
    verdict = acceptance(access, base_url)
    return lambda value: bool(verdict(value))


def acceptance(access: AwsAccess, base_url: str) -> Callable[[str], bool | None]:
    """As `accepts`, but None unless the API accepts or refuses the key: it may be out of reach."""

    def probe(value: str) -> bool | None:
        # An environment may read only one of the headers.
        headers = {"Authorization": f"Bearer {value}", "x-api-key": value}
        with _client(access, base_url, httpx.Client, headers=headers, timeout=_PROBE_SECONDS) as api:
            try:
                # A throttled key is a valid key.
                return {200: True, 429: True, 401: False}.get(api.get("models").status_code)
            except httpx.TransportError:
                return None

    return probe


def _client(
    access: AwsAccess,
    base_url: str,
    kind: type[httpx.Client] = RetryingClient,
    **settings: Any,
) -> httpx.Client:
    # A proxy cannot reach a loopback address.
    trust_env = access.endpoint_url is None
    return kind(base_url=base_url + "/", trust_env=trust_env, **{"timeout": TIMEOUT_SECONDS, **settings})
