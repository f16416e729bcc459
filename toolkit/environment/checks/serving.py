"""Mistakes in what the API does with a model."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.checks.parts import Parts
from toolkit.environment.model import Model
from toolkit.environment.problems import Problem, did_you_mean
from toolkit.serving.engines import ENGINES


def check(parts: Parts, name: str, model: Model) -> Iterator[Problem]:
    """Mistakes in one model's place in the API."""
    path = ("models", name)
    if model.asynchronous is not None:
        for key in ("limits", "fallback", "aliases"):
            if key in model.model_fields_set:
                wrong = "an asynchronous endpoint is not part of the API: its answers go to S3"
                yield Problem((*path, key), wrong, "remove it, or make the endpoint realtime")
        return
    if model.fallback is None:
        return
    wrong, right = _fallback(parts, name, model, model.fallback)
    if wrong:
        yield Problem((*path, "fallback"), wrong, right)


def _fallback(parts: Parts, name: str, model: Model, fallback: str) -> tuple[str, str]:
    other = parts.models.get(fallback)
    if fallback == name:
        return "it would fall back to itself", "name another model"
    if other is None:
        return f"there is no model {fallback}", did_you_mean(
            fallback, parts.models
        ) or "add it, or remove this"
    if other.asynchronous is not None:
        return f"{fallback} is asynchronous and answers into S3", "name a model that answers at once"
    ours, theirs = ENGINES[model.serving.engine], ENGINES[other.serving.engine]
    if ours.task != theirs.task and "custom" not in (ours.name, theirs.name):
        return f"{fallback} answers {theirs.task}, this one {ours.task}", "name a model for the same"
    return "", ""
