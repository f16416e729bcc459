"""Settings that are valid but hardly intended: without effect, or with one that surprises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from toolkit.environment.environment import Environment


def warnings(environment: Environment) -> Iterator[str]:
    """A warning for each such setting of the environment."""
    yield from _past_schedules(environment)
    yield from _small_batches(environment)
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


def _small_batches(environment: Environment) -> Iterator[str]:
    """llama.cpp processes an embedding's input in one batch, and answers 500 to a longer one.

    Its `tools/server/server-context.cpp`: "input is too large to process". `ubatch_size` is 512 by default,
    and at most `batch_size`.
    """
    for name, model in environment.models.items():
        options = model.serving.flags()
        if "embeddings" in model.serving.capabilities() and not options.get("ubatch_size"):
            yield (
                f"models.{name}.serving.options: llama.cpp rejects embedding inputs of more than 512 tokens, "
                "and SageMaker counts each as a server error of the model; set batch_size and ubatch_size to "
                "the longest input in tokens"
            )
