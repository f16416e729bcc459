"""Mistakes that only show when several keys are seen together."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.checks import api, endpoints, images, names, rollouts, serving, weights
from toolkit.environment.checks.parts import Parts, hostings
from toolkit.environment.problems import Problem

__all__ = ["Parts", "check"]


def check(parts: Parts) -> Iterator[Problem]:
    """All mistakes between the keys; some may be told twice, where several variants share what is wrong."""
    yield from names.check(parts)
    yield from api.check(parts)
    for name, model in parts.models.items():
        for hosting in hostings(name, model):
            yield from weights.check(parts, hosting)
            yield from images.check(parts, hosting, serverless=model.serverless is not None)
        yield from endpoints.check(parts, name, model)
        yield from endpoints.check_task(name, model)
        yield from rollouts.check(name, model)
        yield from serving.check(parts, name, model)
