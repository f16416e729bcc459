"""What the embedded cloud does with settings that protect an API on AWS, and not on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.environment import Environment


def warnings(environment: Environment) -> Iterator[str]:
    """What is made in the embedded cloud and read back, and refuses nothing there; nothing on AWS."""
    api = environment.api
    if not environment.is_local:
        return
    if api.waf is not None:
        yield "api.waf: the embedded cloud keeps the firewall, but applies none of its rules"
    if api.private is not None:
        yield "api.private: the embedded cloud knows no VPC endpoints: it answers anybody on this machine"
    if api.domain is not None:
        yield (
            "api.domain: the embedded cloud looks at no certificate and serves no TLS: it answers plain HTTP "
            f"requests with `Host: {api.domain.name}`"
        )
