"""Mistakes in how a release takes over.

What SageMaker cannot do is in its developer guide under "Deployment guardrails", "Exclusions".
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.checks.parts import hostings
from toolkit.environment.model import Model
from toolkit.environment.problems import KeyPath, Problem
from toolkit.environment.rollout import MAX_ALARMS, METRICS_EVERY_SECONDS, AllAtOnce, Rolling, Rollout


def check(name: str, model: Model) -> Iterator[Problem]:
    """Mistakes in one model's rollout, where the file says something of it."""
    rollout = model.rollout
    if rollout is None or model.serverless is not None:
        return
    path = ("models", name, "rollout")
    yield from _times(path, rollout)
    yield from _alarms(path, model, rollout)
    if not isinstance(rollout, AllAtOnce):
        yield from _fleet(path, name, model)
    if isinstance(rollout, Rolling) and len(model.variants) > 1:
        right = "use canary or linear, or keep one variant"
        yield Problem((*path, "strategy"), "SageMaker cannot roll through several variants", right)


def _times(path: KeyPath, rollout: Rollout) -> Iterator[Problem]:
    watched = sum(rollout.waits)
    if rollout.timeout_seconds is not None and rollout.timeout_seconds <= watched:
        wrong = f"{rollout.timeout_seconds} seconds are over before the waiting is, which takes {watched}"
        yield Problem(
            (*path, "timeout_seconds"), wrong, "give more, for the instances' start too, or wait less"
        )
    if rollout.alarms.any and watched < METRICS_EVERY_SECONDS:
        key = "bake_seconds" if isinstance(rollout, AllAtOnce) else "wait_seconds"
        wrong = (
            f"the alarms are watched for {watched} seconds, and metrics come every {METRICS_EVERY_SECONDS}"
        )
        yield Problem((*path, key), wrong, "wait longer, 300 for example, or remove the alarms")


def _alarms(path: KeyPath, model: Model, rollout: Rollout) -> Iterator[Problem]:
    # The module always makes one for each variant, so that the first one is not added to a running endpoint.
    variants = max(1, len(model.variants))
    count = variants * max(1, rollout.alarms.thresholds) + len(rollout.alarms.extra)
    if count > MAX_ALARMS:
        wrong = f"{variants} variants with {rollout.alarms.thresholds} alarms each, and extra, are {count}"
        yield Problem((*path, "alarms"), wrong, f"SageMaker watches {MAX_ALARMS}: remove some")


def _fleet(path: KeyPath, name: str, model: Model) -> Iterator[Problem]:
    strategy = model.rollout.strategy if model.rollout is not None else ""
    for hosting in hostings(name, model):
        if hosting.instance_type is not None and hosting.instance_type.startswith("ml.inf1."):
            wrong = f"SageMaker exchanges endpoints on {hosting.instance_type} all at once"
            yield Problem((*path, "strategy"), wrong, "use all_at_once, or another instance type")
    smallest = min(hosting.capacity.least for hosting in model.hostings(name).values())
    if model.asynchronous is not None and model.asynchronous.scale_to_zero:
        smallest = 0
    if smallest < 2:
        wrong = f"a step of {strategy} is at most half of the fleet, which may have {smallest} instances"
        right = "raise min to 2, in schedules too, or use all_at_once, with alarms and bake_seconds"
        if smallest == 0:
            right = "set endpoint.async.scale_to_zero: false with capacity.min: 2, or use all_at_once"
        yield Problem((*path, "strategy"), wrong.replace("1 instances", "1 instance"), right)
