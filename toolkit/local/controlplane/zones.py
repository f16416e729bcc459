"""Ids of hosted zones: AWS's begin with a Z, by which environment files know them; moto's with anything."""

from __future__ import annotations

from typing import Any

from moto.route53.models import HostedZoneIdentifier


def apply() -> None:
    """Make moto's look like AWS's."""
    generate = HostedZoneIdentifier.generate

    def with_z(self: HostedZoneIdentifier, *arguments: Any, **named: Any) -> str:
        return f"Z{generate(self, *arguments, **named)[1:]}"

    HostedZoneIdentifier.generate = with_z  # type: ignore[method-assign]
