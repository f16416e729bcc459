"""Checks of expectations and objectives against the model that they are declared for."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.expectations import Task
from toolkit.environment.model import Model
from toolkit.environment.problems import KeyPath, Problem


def check(name: str, model: Model) -> Iterator[Problem]:
    """Check that the model can meet its expectations and objectives, and that each name is unique."""
    path = ("models", name)
    for key in ("expectations", "objectives"):
        if model.asynchronous is not None and getattr(model, key):
            reason = "the API, which the smoke test asks, does not serve asynchronous endpoints"
            yield Problem((*path, key), reason, "remove it")
            return
    ceiling = model.limits.max_tokens_ceiling
    names: set[str] = set()
    for index, expectation in enumerate(model.expectations):
        place = (*path, "expectations", index)
        if expectation.name in names:
            reason = f"another expectation is named {expectation.name}"
            yield Problem((*place, "name"), reason, "rename one of them")
        names.add(expectation.name)
        yield from _task(place, model, expectation.request_key, expectation.task)
        yield from _ceiling(place, expectation.max_tokens, ceiling)
        most_tokens = expectation.most_tokens(ceiling)
        # Lines of a file may have another maximum, and are checked, too.
        if expectation.prompts is None and (expectation.min_tokens or 0) > most_tokens:
            reason = (
                f"min_tokens {expectation.min_tokens} is more than the {most_tokens} tokens of the answer"
            )
            yield Problem((*place, "min_tokens"), reason, "set max_tokens, or lower it")
    yield from _objectives((*path, "objectives"), model, ceiling)


def _task(place: KeyPath, model: Model, key: str | None, task: Task) -> Iterator[Problem]:
    if key is None or model.supports(task):
        return
    what, remedy = {
        "text": ("does not chat", "use input or closer"),
        "embedding": ("does not embed texts", "use prompt, or remove the expectation"),
    }[task]
    yield Problem((*place, key), f"the model {what}", remedy)


def _ceiling(place: KeyPath, max_tokens: int | None, ceiling: int | None) -> Iterator[Problem]:
    if ceiling is not None and max_tokens is not None and max_tokens > ceiling:
        reason = f"max_tokens {max_tokens} is more than limits.max_tokens_ceiling {ceiling}"
        yield Problem((*place, "max_tokens"), reason, "lower it")


def _objectives(place: KeyPath, model: Model, ceiling: int | None) -> Iterator[Problem]:
    objectives = model.objectives
    if objectives is None:
        return
    if "max_tokens" in objectives.model_fields_set:
        yield from _ceiling(place, objectives.max_tokens, ceiling)
    streams = model.chats and model.serverless is None
    for key in ("first_token_ms", "inter_token_ms"):
        if key in objectives.limits and not streams:
            yield Problem((*place, key), "the model does not stream", "use total_ms")
