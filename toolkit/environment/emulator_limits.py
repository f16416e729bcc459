"""Settings without effect: the embedded cloud does not enforce them, or their time has passed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from toolkit.environment.environment import Environment


def warnings(environment: Environment) -> Iterator[str]:
    """A warning for each setting that the environment uses and that has no effect."""
    yield from _past_schedules(environment)
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


def _past_schedules(environment: Environment) -> Iterator[str]:
    import zoneinfo

    for name, model in environment.models.items():
        for variant in model.resolved_variants(name).values():
            for schedule in variant.capacity.schedules:
                if schedule.at is None:
                    continue
                try:
                    zone = zoneinfo.ZoneInfo(schedule.timezone)
                except zoneinfo.ZoneInfoNotFoundError:  # the machine has no time zone database
                    continue
                if datetime.fromisoformat(schedule.at).replace(tzinfo=zone) <= datetime.now(UTC):
                    path = ".".join(map(str, variant.path("capacity", "schedules")))
                    yield f"{path}: the time of {schedule.name} has passed ({schedule.at}); remove it"
