"""The deployed API, as a client of it."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from toolkit.aws.signing import SignedRequests
from toolkit.deployment.api.apikeys import keys_of
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.keys import DEFAULT_KEY

# A non-streaming invocation is cut at 60 s by SageMaker; the API has longer.
TIMEOUT_SECONDS = 120.0
_PROBE_SECONDS = 10.0


def open_api(context: Context, outputs: Outputs) -> httpx.Client:
    """A client that may call: with the key `default`, or with the own credentials where there are no keys."""
    if context.environment.api.auth == "iam":
        return _client(outputs, auth=SignedRequests(context.access.credentials(), outputs.region))
    value = keys_of(context, outputs).show(DEFAULT_KEY)
    if context.environment.api.key_header == "x-api-key":
        return _client(outputs, headers={"x-api-key": value})
    return _client(outputs, headers={"Authorization": f"Bearer {value}"})


def accepts(outputs: Outputs) -> Callable[[str], bool]:
    """Whether the API takes the value of a key, at this moment; asks no model."""

    def ask(value: str) -> bool:
        # Both headers, as the environment may read one of them alone.
        headers = {"Authorization": f"Bearer {value}", "x-api-key": value}
        with _client(outputs, headers=headers, timeout=_PROBE_SECONDS) as api:
            try:
                # A key that may do no more at the moment is known, too.
                return api.get("models").status_code in (200, 429)
            except httpx.TransportError:
                return False

    return ask


def _client(
    outputs: Outputs,
    *,
    headers: dict[str, str] | None = None,
    auth: httpx.Auth | None = None,
    timeout: float = TIMEOUT_SECONDS,
) -> httpx.Client:
    # No proxy may stand between us and a loopback address.
    return httpx.Client(
        base_url=outputs.api_base_url + "/",
        headers=headers,
        auth=auth,
        timeout=timeout,
        trust_env=outputs.aws_endpoint_url is None,
    )
