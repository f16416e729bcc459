"""Mistakes between kinds of endpoints, variants and capacity.

What serverless endpoints cannot do is in SageMaker's developer guide under "Deploy models with Amazon
SageMaker Serverless Inference", "Feature exclusions"; for shadows it is under "Shadow tests", "Exclusions".
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.aws import region_of
from toolkit.environment.capacity import Capacity
from toolkit.environment.checks.parts import Parts, hostings
from toolkit.environment.model import Model
from toolkit.environment.problems import KeyPath, Problem
from toolkit.environment.variants import SHADOW
from toolkit.serving.engines import ENGINES

_NOT_SERVERLESS = {
    "capacity": "it grows and shrinks by itself, up to serverless.max_concurrency",
    "variants": "SageMaker has one variant there",
    "shadow": "SageMaker has no shadows there",
    "rollout": "SageMaker exchanges it all at once",
    "routing": "there are no instances to choose from",
    "vpc": "SageMaker cannot put it into a network of yours",
    "data_capture": "SageMaker does not capture there",
}


def check(parts: Parts, name: str, model: Model) -> Iterator[Problem]:
    """Mistakes in one model's endpoint."""
    path = ("models", name)
    if model.serverless is not None:
        for key, reason in _NOT_SERVERLESS.items():
            if key in model.model_fields_set:
                wrong = f"a serverless endpoint has none: {reason}"
                yield Problem((*path, key), wrong, "remove it, or make the endpoint realtime")
        return
    yield from _variants(path, model)
    yield from _shadow(path, model)
    yield from _asynchronous(path, model)
    yield from _schedules(name, model)
    yield from _places(parts, path, model)


def check_task(name: str, model: Model) -> Iterator[Problem]:
    """All variants of an endpoint are asked the same kind of question."""
    first, *others = hostings(name, model)
    for other in others:
        ours, theirs = ENGINES[first.engine].task, ENGINES[other.engine].task
        if ours != theirs and "custom" not in (first.engine, other.engine):
            wrong = f"{other.engine} answers {theirs}, {first.engine} beside it {ours}"
            right = "one endpoint gets one kind of request: make two models of it"
            yield Problem(other.path("serving", "engine"), wrong, right)


def _variants(path: KeyPath, model: Model) -> Iterator[Problem]:
    if model.variants and not any(variant.weight for variant in model.variants.values()):
        right = "give at least one of them a weight above 0"
        yield Problem((*path, "variants"), "no variant gets any traffic", right)
    seen: dict[str, str] = {}
    for name in model.variants:
        if name.lower() in seen:
            wrong = f"{name} and {seen[name.lower()]} are the same but for upper and lower case"
            yield Problem((*path, "variants", name), wrong, "rename one: people will mistake them")
        seen[name.lower()] = name
    if model.shadow is not None and SHADOW.lower() in seen:
        wrong = f"{seen[SHADOW.lower()]} is what the shadow is called"
        yield Problem((*path, "variants", seen[SHADOW.lower()]), wrong, "rename the variant")


def _shadow(path: KeyPath, model: Model) -> Iterator[Problem]:
    if model.shadow is None:
        return
    if model.asynchronous is not None:
        right = "remove it, or make the endpoint realtime"
        yield Problem((*path, "shadow"), "an asynchronous endpoint cannot have a shadow", right)
    elif len(model.variants) > 1:
        wrong = f"SageMaker copies the requests of one variant, and here are {len(model.variants)}"
        yield Problem((*path, "shadow"), wrong, "remove the shadow, or all variants but one")


def _asynchronous(path: KeyPath, model: Model) -> Iterator[Problem]:
    if model.asynchronous is None:
        return
    if len(model.variants) > 1:
        wrong = "an asynchronous endpoint has one queue, which several variants cannot scale by"
        yield Problem((*path, "variants"), wrong, "keep one of them, or make the endpoint realtime")
    elif model.asynchronous.scale_to_zero and model.capacity.min > 1:
        wrong = f"min {model.capacity.min} keeps instances that scale_to_zero takes away"
        yield Problem(
            (*path, "capacity", "min"), wrong, "remove it, or set endpoint.async.scale_to_zero: false"
        )


def _schedules(name: str, model: Model) -> Iterator[Problem]:
    least = 0 if model.asynchronous is not None and model.asynchronous.scale_to_zero else 1
    for hosting in model.hostings(name).values():
        for index, schedule in enumerate(hosting.capacity.schedules):
            path = (*hosting.path("capacity"), "schedules", index)
            for key, value in (("min", schedule.min), ("max", schedule.max)):
                if value is not None and value < least:
                    right = f"use at least {least}; only asynchronous endpoints can scale to zero"
                    yield Problem((*path, key), f"{value} instances cannot answer anybody", right)
            yield from _bounds(path, hosting.capacity, schedule.min, schedule.max)


def _bounds(path: KeyPath, capacity: Capacity, low: int | None, high: int | None) -> Iterator[Problem]:
    """A bound that a schedule does not change must still fit the one that it changes."""
    if high is None and low is not None and low > capacity.max:
        yield Problem((*path, "min"), f"min {low} is more than max {capacity.max}", "give max as well")
    if low is None and high is not None and high < capacity.min:
        yield Problem((*path, "max"), f"max {high} is less than min {capacity.min}", "give min as well")


def _places(parts: Parts, path: KeyPath, model: Model) -> Iterator[Problem]:
    """What is written must lie where the execution role may write, and AWS wants its own region."""
    asynchronous, capture = model.asynchronous, model.data_capture
    buckets: dict[tuple[str, ...], str | None] = {}
    arns: dict[tuple[str, ...], str | None] = {("kms_key_arn",): model.kms_key_arn}
    if asynchronous is not None:
        place = ("endpoint", "async")
        buckets |= {
            (*place, "output_s3"): asynchronous.output_s3,
            (*place, "failure_s3"): asynchronous.failure_s3,
        }
        arns |= {
            (*place, "success_topic_arn"): asynchronous.success_topic_arn,
            (*place, "error_topic_arn"): asynchronous.error_topic_arn,
        }
    if capture is not None:
        buckets["data_capture", "s3_uri"] = capture.s3_uri
        arns["data_capture", "kms_key_arn"] = capture.kms_key_arn
    store = parts.readable_bucket
    for key, uri in buckets.items():
        if store is not None and uri is not None and not uri.startswith(f"s3://{store}/"):
            right = f"the execution role writes nowhere else: use a prefix of s3://{store}/"
            yield Problem((*path, *key), f"{uri} is not in the model store", right)
    for key, arn in arns.items():
        if parts.region is not None and arn is not None and region_of(arn) != parts.region:
            wrong = f"it is in {region_of(arn)}, the environment in {parts.region}"
            yield Problem((*path, *key), wrong, "SageMaker takes those of its own region")
