"""Settings that protect an API on AWS but that the embedded cloud does not enforce."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.environment import Environment


def warnings(environment: Environment) -> Iterator[str]:
    """A warning for each setting that the environment uses and the embedded cloud does not enforce."""
    api = environment.api
    if not environment.is_local:
        return
    if api.waf is not None:
        yield "api.waf: the embedded cloud stores the firewall but does not apply its rules"
    if api.private is not None:
        yield "api.private: the embedded cloud has no VPC endpoints; anyone on this machine can call the API"
    if api.domain is not None:
        yield (
            "api.domain: the embedded cloud checks no certificate and serves no TLS; send plain HTTP "
            f"requests with `Host: {api.domain.name}`"
        )
