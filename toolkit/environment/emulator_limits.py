"""Settings that are valid but hardly intended: without effect, or with one that surprises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from toolkit.documents import dotted
from toolkit.environment.environment import Environment
from toolkit.environment.model import ResolvedVariant
from toolkit.environment.serving import LlamaCppServing
from toolkit.serving import catalogue
from toolkit.serving.engines import AMI_CUDA, GPU_CUDA

# llama.cpp's defaults, in tokens.
_BATCH, _PHYSICAL_BATCH = 2048, 512
# Tasks whose inputs it processes in one batch.
_INPUTS = {"embeddings", "rerank"}


def warnings(environment: Environment) -> Iterator[str]:
    """A warning for each such setting of the environment."""
    yield from _past_schedules(environment)
    yield from _small_batches(environment)
    api = environment.api
    if not environment.is_local:
        yield from _default_drivers(environment)
        return
    if api.waf is not None:
        yield "api.waf: the embedded cloud stores the firewall but does not apply its rules"
    if environment.cost.alarms is not None:
        yield "cost.alarms: the embedded cloud stores the alarms, but costs nothing and notifies no recipient"
    if api.guard is not None and api.guard.bedrock is not None:
        yield (
            "api.guard.bedrock: guardrails of the embedded cloud have words and regular expressions only, "
            "and are lost when it stops; create one with the AWS CLI"
        )
    if api.private is not None:
        yield "api.private: the embedded cloud has no VPC endpoints; anyone on this machine can call the API"
    if api.domain is not None:
        yield (
            "api.domain: the embedded cloud checks no certificate and serves no TLS; send plain HTTP "
            f"requests with `Host: {api.domain.name}`"
        )


def _past_schedules(environment: Environment) -> Iterator[str]:
    import zoneinfo

    for variant in _variants(environment):
        for schedule in variant.capacity.schedules:
            if schedule.at is None:
                continue
            try:
                zone = zoneinfo.ZoneInfo(schedule.timezone)
            except zoneinfo.ZoneInfoNotFoundError:  # the machine has no time zone database
                continue
            if datetime.fromisoformat(schedule.at).replace(tzinfo=zone) <= datetime.now(UTC):
                path = dotted(variant.path("capacity", "schedules"))
                yield f"{path}: the time of {schedule.name} has passed ({schedule.at}); remove it"


def _small_batches(environment: Environment) -> Iterator[str]:
    """llama.cpp processes an input of embeddings and rerankers in one batch, and answers 500 to a longer one.

    Its `tools/server/server-context.cpp`: "input is too large to process".
    """
    for name, model in environment.models.items():
        if not isinstance(model.serving, LlamaCppServing) or not _INPUTS & {*model.serving.capabilities()}:
            continue
        options = model.serving.options
        batch = min(options.batch_size or _BATCH, options.ubatch_size or _PHYSICAL_BATCH)
        if options.ubatch_size is None or batch < (options.ctx_size or batch):
            yield (
                f"models.{name}.serving.options: llama.cpp rejects inputs of more than {batch} "
                "tokens, and SageMaker counts each as a server error of the model; set batch_size and "
                "ubatch_size to the longest input in tokens"
            )


def _default_drivers(environment: Environment) -> Iterator[str]:
    """An own server needs an inference AMI with a driver for its CUDA release, which only its author knows.

    Reports of the default driver: NVIDIA/nim-deploy#104, aws/deep-learning-containers#4990.
    """
    for variant in _variants(environment):
        gpu = catalogue.hardware(variant.instance_type).gpu
        if variant.engine != "custom" or not gpu or variant.serving.inference_ami_version:
            continue
        amis = [
            f"{ami} (CUDA {major}.{minor})"
            for ami, (major, minor) in AMI_CUDA.items()
            if (major, minor) >= GPU_CUDA[gpu]
        ]
        path = dotted(variant.path("serving", "inference_ami_version"))
        yield (
            f"{path}: the default of SageMaker can have an NVIDIA driver as old as 470 (CUDA 11.4), on which "
            "newer images fail before they log anything; set it by the CUDA release of the image: "
            f"{', '.join(amis)}"
        )


def _variants(environment: Environment) -> Iterator[ResolvedVariant]:
    for name, model in environment.models.items():
        yield from model.resolved_variants(name).values()
