"""Checks that look at several keys of an environment file together."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.checks import api, container, endpoint
from toolkit.environment.environment import ValidParts, endpoint_name
from toolkit.environment.problems import Problem

__all__ = ["check"]

# SageMaker's 63, without the hyphen and the 8 digits that endpoint configurations and models add.
MAX_ENDPOINT_NAME = 63 - 9


def check(parts: ValidParts) -> Iterator[Problem]:
    """Check the valid parts of a file; a problem that several variants share may come up more than once."""
    yield from _account(parts)
    yield from _endpoint_names(parts)
    yield from _model_names(parts)
    yield from api.check(parts)
    for name, model in parts.models.items():
        for variant in model.all_resolved(name):
            yield from container.check(parts, variant, serverless=model.serverless is not None)
        yield from endpoint.check(parts, name, model)


def _account(parts: ValidParts) -> Iterator[Problem]:
    if parts.account is None:
        return
    arn = parts.account.execution_role.arn
    if arn is not None and parts.account_id is not None and arn.split(":")[4] != parts.account_id:
        reason = f"the role is in account {arn.split(':')[4]}, the environment in {parts.account_id}"
        remedy = "SageMaker takes roles of its own account only: correct the ARN or account_id"
        yield Problem(("account", "execution_role", "arn"), reason, remedy)
    state, store = parts.account.state.bucket, parts.account.model_store.bucket
    if state is not None and state == store:
        reason = f"{state} is the bucket of the model store"
        yield Problem(
            ("account", "state", "bucket"), reason, "whoever runs models must not read the state: use two"
        )


def _endpoint_names(parts: ValidParts) -> Iterator[Problem]:
    if parts.project is None:
        return
    seen: dict[str, str] = {}
    for model in parts.models:
        endpoint = endpoint_name(f"{parts.project}-{parts.name}", model)
        path = ("models", model)
        if len(endpoint) > MAX_ENDPOINT_NAME:
            reason = f"its endpoint would be called {endpoint}, {len(endpoint)} characters"
            remedy = (
                f"at most {MAX_ENDPOINT_NAME}, since SageMaker allows 63 and its configuration adds 9:"
                f" shorten the model's name by {len(endpoint) - MAX_ENDPOINT_NAME}"
            )
            yield Problem(path, reason, remedy)
        if endpoint in seen:
            reason = f"its endpoint would be called {endpoint}, as that of {seen[endpoint]}"
            yield Problem(path, reason, "rename one: dots become hyphens in endpoint names")
        seen[endpoint] = model


def _model_names(parts: ValidParts) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, model in parts.models.items():
        for index, alias in enumerate(model.aliases):
            owner = name if alias == name else owners.get(alias)
            owner = alias if owner is None and alias in parts.models else owner
            if owner is not None:
                reason = f"{alias} is a name of the model {owner} already"
                remedy = "a name stands for one model: remove or rename it"
                yield Problem(("models", name, "aliases", index), reason, remedy)
            owners.setdefault(alias, name)
