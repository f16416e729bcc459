"""Checks of one model's endpoint: kind, variants, capacity, rollout and use by the API.

SageMaker's restrictions are in its developer guide: serverless endpoints under "Deploy models with Amazon
SageMaker Serverless Inference", "Feature exclusions"; shadow variants under "Shadow tests", "Exclusions";
rollouts under "Deployment guardrails", "Exclusions".
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.aws_types import region_of
from toolkit.environment.capacity import Capacity
from toolkit.environment.environment import ValidParts
from toolkit.environment.model import SHADOW, Model
from toolkit.environment.problems import KeyPath, Problem, did_you_mean
from toolkit.environment.rollout import (
    MAX_ALARMS,
    METRICS_EVERY_SECONDS,
    QUALITY_SECONDS,
    AllAtOnce,
    Rolling,
    Rollout,
)
from toolkit.serving import catalogue
from toolkit.serving.engines import ENGINES

_NOT_SERVERLESS = {
    "volume_size_gb": "it has ephemeral storage only",
    "capacity": "it scales up to serverless.max_concurrency",
    "variants": "it has one variant",
    "shadow": "it has no shadow variants",
    "rollout": "SageMaker replaces it all at once",
    "routing": "it has no instances to choose from",
    "vpc": "it cannot run in a VPC",
    "data_capture": "SageMaker does not capture its data",
}


def check(parts: ValidParts, name: str, model: Model) -> Iterator[Problem]:
    """Check one model's endpoint: its kind, variants, capacity, rollout and use by the API."""
    path = ("models", name)
    if model.serverless is not None:
        for key, reason in _NOT_SERVERLESS.items():
            if key in model.model_fields_set:
                remedy = "remove it, or make the endpoint realtime"
                yield Problem((*path, key), f"not supported for a serverless endpoint: {reason}", remedy)
    else:
        yield from _variants(path, model)
        yield from _shadow(path, model)
        yield from _asynchronous(path, model)
        yield from _schedules(name, model)
        yield from _volume(name, model)
        yield from _routing(name, model)
        yield from _resources(parts, path, model)
        yield from _rollout(name, model)
    yield from _task(name, model)
    yield from _api_use(parts, name, model)


def _volume(name: str, model: Model) -> Iterator[Problem]:
    """Instances with local disks have no other volume (sagemaker-python-sdk: `volume_size_supported`)."""
    types = [variant.instance_type for variant in model.all_resolved(name)]
    disks = [catalogue.hardware(instance_type).disk_gb for instance_type in types]
    if model.volume_size_gb is not None and all(disks):
        reason = f"{types[0]} stores the weights on its own disks of {disks[0]} GB"
        yield Problem(("models", name, "volume_size_gb"), reason, "remove it")


def _routing(name: str, model: Model) -> Iterator[Problem]:
    path, newest = ("models", name, "routing"), catalogue.NEWER_PROVIDER
    if model.routing == "prefix_aware":
        # PrefixAwareRoutingConfig is required (API reference), and in the schema of no provider.
        reason = f"no AWS provider up to {newest} can set the prefix length that prefix_aware requires"
        yield Problem(path, reason, "use least_outstanding_requests or random")
    elif not catalogue.provider_accepts("routing_strategy", model.routing.upper()):
        reason = f"AWS provider {catalogue.provider_version()} refuses {model.routing}"
        remedy = f"use least_outstanding_requests, or a provider later than {newest} (`make provider`)"
        yield Problem(path, reason, remedy)


def _task(name: str, model: Model) -> Iterator[Problem]:
    first, *others = model.all_resolved(name)
    for other in others:
        ours, theirs = ENGINES[first.engine].task, ENGINES[other.engine].task
        if ours != theirs and "custom" not in (first.engine, other.engine):
            reason = f"{other.engine} serves {theirs}, but {first.engine} serves {ours}"
            remedy = "split it into two models: an endpoint serves one kind of request"
            yield Problem(other.path("serving", "engine"), reason, remedy)


def _variants(path: KeyPath, model: Model) -> Iterator[Problem]:
    if model.variants and not any(variant.weight for variant in model.variants.values()):
        remedy = "set a weight above 0 for at least one"
        yield Problem((*path, "variants"), "no variant gets traffic", remedy)
    variants: dict[str, str] = {}
    for name in model.variants:
        if name.lower() in variants:
            reason = f"{name} and {variants[name.lower()]} differ only in case"
            yield Problem((*path, "variants", name), reason, "rename one of them")
        variants[name.lower()] = name
    if model.shadow is not None and SHADOW.lower() in variants:
        reason = f"{variants[SHADOW.lower()]} is the name of the shadow variant"
        yield Problem((*path, "variants", variants[SHADOW.lower()]), reason, "rename the variant")


def _shadow(path: KeyPath, model: Model) -> Iterator[Problem]:
    if model.shadow is None:
        return
    if model.asynchronous is not None:
        remedy = "remove it, or make the endpoint realtime"
        yield Problem((*path, "shadow"), "an asynchronous endpoint cannot have a shadow", remedy)
    elif len(model.variants) > 1:
        reason = f"a shadow requires a single variant, but there are {len(model.variants)}"
        yield Problem((*path, "shadow"), reason, "remove the shadow, or all variants but one")


def _asynchronous(path: KeyPath, model: Model) -> Iterator[Problem]:
    if model.asynchronous is None:
        return
    if len(model.variants) > 1:
        reason = "an asynchronous endpoint has one queue, so several variants cannot scale"
        yield Problem((*path, "variants"), reason, "keep one variant, or make the endpoint realtime")
    elif model.asynchronous.scale_to_zero and model.capacity.min > 1:
        reason = f"min {model.capacity.min} contradicts scale_to_zero"
        yield Problem(
            (*path, "capacity", "min"), reason, "remove it, or set endpoint.async.scale_to_zero: false"
        )


def _schedules(name: str, model: Model) -> Iterator[Problem]:
    least = 0 if model.asynchronous is not None and model.asynchronous.scale_to_zero else 1
    for variant in model.resolved_variants(name).values():
        for index, schedule in enumerate(variant.capacity.schedules):
            path = (*variant.path("capacity"), "schedules", index)
            for key, value in (("min", schedule.min), ("max", schedule.max)):
                if value is not None and value < least:
                    remedy = f"use at least {least}; only asynchronous endpoints can scale to zero"
                    yield Problem((*path, key), f"{value} instances cannot serve requests", remedy)
            yield from _bounds(path, variant.capacity, schedule.min, schedule.max)


def _bounds(path: KeyPath, capacity: Capacity, low: int | None, high: int | None) -> Iterator[Problem]:
    """A bound that a schedule changes must fit the one that it does not change."""
    if high is None and low is not None and low > capacity.max:
        yield Problem((*path, "min"), f"min {low} is more than max {capacity.max}", "set max as well")
    if low is None and high is not None and high < capacity.min:
        yield Problem((*path, "max"), f"max {high} is less than min {capacity.min}", "set min as well")


def _resources(parts: ValidParts, path: KeyPath, model: Model) -> Iterator[Problem]:
    """Output must go where the execution role may write, and ARNs must be in the environment's region."""
    asynchronous, capture = model.asynchronous, model.data_capture
    buckets: dict[tuple[str, ...], str | None] = {}
    arns: dict[tuple[str, ...], str | None] = {("kms_key_arn",): model.kms_key_arn}
    if asynchronous is not None:
        base = ("endpoint", "async")
        buckets |= {
            (*base, "output_s3"): asynchronous.output_s3,
            (*base, "failure_s3"): asynchronous.failure_s3,
        }
        arns |= {
            (*base, "success_topic_arn"): asynchronous.success_topic_arn,
            (*base, "error_topic_arn"): asynchronous.error_topic_arn,
        }
    if capture is not None:
        buckets["data_capture", "s3_uri"] = capture.s3_uri
        arns["data_capture", "kms_key_arn"] = capture.kms_key_arn
    store = parts.readable_bucket
    for key, uri in buckets.items():
        if store is not None and uri is not None and not uri.startswith(f"s3://{store}/"):
            remedy = f"use a prefix of s3://{store}/, the only bucket that the execution role may write"
            yield Problem((*path, *key), f"{uri} is not in the model store", remedy)
    for key, arn in arns.items():
        if parts.region is not None and arn is not None and region_of(arn) != parts.region:
            reason = f"it is in {region_of(arn)}, but the environment is in {parts.region}"
            yield Problem((*path, *key), reason, f"use one in {parts.region}")


def _rollout(name: str, model: Model) -> Iterator[Problem]:
    rollout = model.rollout
    if rollout is None:
        return
    path = ("models", name, "rollout")
    yield from _times(path, rollout)
    yield from _alarms(path, model, rollout)
    if rollout.quality:
        yield from _quality(path, model, rollout)
    if not isinstance(rollout, AllAtOnce):
        yield from _fleet(path, name, model)
    if isinstance(rollout, Rolling) and len(model.variants) > 1:
        remedy = "use canary or linear, or keep one variant"
        yield Problem((*path, "strategy"), "rolling does not support several variants", remedy)


def _times(path: KeyPath, rollout: Rollout) -> Iterator[Problem]:
    watched = sum(rollout.waits)
    if rollout.timeout_seconds is not None and rollout.timeout_seconds <= watched:
        reason = f"{rollout.timeout_seconds} seconds are less than the waiting time of {watched}"
        yield Problem(
            (*path, "timeout_seconds"), reason, "raise it, with time for instances to start, or wait less"
        )
    if rollout.alarms.any and watched < METRICS_EVERY_SECONDS:
        key = "bake_seconds" if isinstance(rollout, AllAtOnce) else "wait_seconds"
        reason = (
            f"the alarms are watched for {watched} seconds, but metrics arrive every {METRICS_EVERY_SECONDS}"
        )
        yield Problem((*path, key), reason, "wait longer, such as 300, or remove the alarms")


def _alarms(path: KeyPath, model: Model, rollout: Rollout) -> Iterator[Problem]:
    # The module always creates one for each variant, so that none is added to a running endpoint.
    variants = max(1, len(model.variants))
    count = variants * max(1, rollout.alarms.thresholds) + len(rollout.alarms.extra) + rollout.quality
    if count > MAX_ALARMS:
        reason = (
            f"{variants} variants with {rollout.alarms.thresholds} alarms each"
            f"{', quality' if rollout.quality else ''} and extra are {count} alarms"
        )
        yield Problem((*path, "alarms"), reason, f"remove some: SageMaker allows {MAX_ALARMS}")


def _quality(path: KeyPath, model: Model, rollout: Rollout) -> Iterator[Problem]:
    if model.asynchronous is not None:
        reason = "quality asks the new fleet, and an asynchronous endpoint does not say which fleet responds"
        yield Problem((*path, "quality"), reason, "remove it, or make the endpoint realtime")
        return
    # The gateway translates them, but the gate invokes the endpoint.
    if model.dialect in ("tgi", "tei") or (model.dialect == "lmi" and "embeddings" in model.capabilities):
        reason = f"quality sends OpenAI's requests to the endpoint, and {model.serving.engine} expects others"
        yield Problem((*path, "quality"), reason, "remove it, or use another engine")
        return
    if not model.expectations:
        reason = "quality judges expectations, and the model has none"
        yield Problem((*path, "quality"), reason, f"add models.{path[1]}.expectations, or remove it")
    *steps, last = rollout.waits
    for key, seconds in (
        ("wait_seconds" if isinstance(rollout, Rolling) else "bake_seconds", last),
        *([("wait_seconds", sum(steps))] if steps else []),
    ):
        if seconds < QUALITY_SECONDS:
            reason = (
                f"{seconds} seconds are too short to ask the new fleet and to roll back: "
                f"quality needs {QUALITY_SECONDS}"
            )
            yield Problem((*path, key), reason, "wait longer, such as 300, or remove quality")
            return


def _fleet(path: KeyPath, name: str, model: Model) -> Iterator[Problem]:
    strategy = model.rollout.strategy if model.rollout is not None else ""
    for variant in model.all_resolved(name):
        if variant.instance_type is not None and variant.instance_type.startswith("ml.inf1."):
            reason = f"SageMaker replaces endpoints on {variant.instance_type} all at once"
            yield Problem((*path, "strategy"), reason, "use all_at_once, or another instance type")
    smallest = min(variant.capacity.least for variant in model.resolved_variants(name).values())
    if model.asynchronous is not None and model.asynchronous.scale_to_zero:
        smallest = 0
    if smallest < 2:
        reason = f"a step of {strategy} is at most half of the fleet, which can have {smallest} instances"
        remedy = "raise min to 2, also in schedules, or use all_at_once with alarms and bake_seconds"
        if smallest == 0:
            remedy = "set endpoint.async.scale_to_zero: false with capacity.min: 2, or use all_at_once"
        yield Problem((*path, "strategy"), reason.replace("1 instances", "1 instance"), remedy)


def _api_use(parts: ValidParts, name: str, model: Model) -> Iterator[Problem]:
    path = ("models", name)
    if model.asynchronous is not None:
        for key in ("limits", "price", "fallback", "aliases"):
            if key in model.model_fields_set:
                reason = "an asynchronous endpoint is not part of the API: its responses go to S3"
                yield Problem((*path, key), reason, "remove it, or make the endpoint realtime")
        return
    if model.fallback is None:
        return
    reason, remedy = _fallback(parts, name, model, model.fallback)
    if reason:
        yield Problem((*path, "fallback"), reason, remedy)


def _fallback(parts: ValidParts, name: str, model: Model, fallback: str) -> tuple[str, str]:
    other = parts.models.get(fallback)
    if fallback == name:
        return "a model cannot be its own fallback", "use another model"
    if other is None:
        return f"unknown model {fallback}", did_you_mean(
            fallback, parts.models
        ) or "add the model, or remove fallback"
    if other.asynchronous is not None:
        return f"{fallback} is asynchronous", "use a realtime or serverless model"
    ours, theirs = ENGINES[model.serving.engine], ENGINES[other.serving.engine]
    if ours.task != theirs.task and "custom" not in (ours.name, theirs.name):
        return (
            f"{fallback} serves {theirs.task}, but this model serves {ours.task}",
            "use a model of that kind",
        )
    if model.operations is not None and {*model.operations}.isdisjoint(other.operations or model.operations):
        return f"{fallback} serves no operation of this model", "use a model of the same kind"
    return "", ""
