"""Promote the models of one environment to another: a change of the target's file, to review and commit."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import staging
from toolkit.deployment import releases
from toolkit.deployment.context import Context
from toolkit.deployment.releases import Release
from toolkit.environment import Environment, loader, promotion
from toolkit.errors import InputError, PreflightError
from toolkit.staging import StagedModel


@dataclass(frozen=True)
class Promotion:
    """A change of an environment file.

    Attributes:
        release: the tested release of the source.
        path: the target's file.
        text: its new text.
        diff: the change; empty if there is none.
        notes: what is not promoted, and why.
    """

    release: Release
    path: Path
    text: str
    diff: str
    notes: Sequence[str]


def prepare(context: Context, target: str, models: Sequence[str]) -> Promotion:
    """Compare the models of the opened environment with those of another one; writes nothing.

    Args:
        context: the source.
        target: name of the environment that gets its models.
        models: names of models; all if empty.

    Raises:
        InputError: a model or the target does not exist, or both are the same environment.
        PreflightError: the models are not those of the source's current release, or it is not tested.
        EnvironmentFileError: the target's file has problems, or would have some.
    """
    source, project = context.environment, context.project
    if target == source.name:
        raise InputError(f"cannot promote {target} to itself", remedy="name another environment with --to")
    unknown = sorted(set(models) - set(source.models))
    if unknown:
        names = ", ".join(source.models)
        raise InputError(f"{source.file} has no model {unknown[0]}", remedy=f"choose one of: {names}")
    loader.load(project, target)
    chosen = list(dict.fromkeys(models)) or list(source.models)
    release = _tested(context, chosen)
    own, other = (loader.read(project, name).data["models"] for name in (source.name, target))
    path = project.environment_file(target)
    file, before = project.relative(path), path.read_bytes().decode("utf-8")
    text, notes = before, list(_not_promoted(source.name, target, own, other, models))
    for name in chosen:
        present: Any = other.get(name)
        model = promotion.merged(own[name], present)
        if present is None:
            skipped = [key for key in promotion.NOT_COPIED if key in own[name]]
            notes += [f"{name} is new in {target}, without {', '.join(skipped)}"] if skipped else []
        text = promotion.edit(text, name, model, present, file)
    if text != before:
        loader.check_text(project, target, text)
    diff = difflib.unified_diff(
        before.splitlines(keepends=True), text.splitlines(keepends=True), f"a/{file}", f"b/{file}"
    )
    return Promotion(release, path, text, "".join(diff), notes)


def definitions(environment: Environment, staged: Mapping[str, StagedModel]) -> dict[str, str]:
    """The digest of the promoted part of each model's definition in an environment file."""
    return {
        name: promotion.digest(
            model, {weights: item.digest for weights, item in staged.items() if item.model == name}
        )
        for name, model in environment.models.items()
    }


def _not_promoted(source: str, target: str, own: Any, other: Any, models: Sequence[str]) -> list[str]:
    if models:
        return []
    return [f"{target} keeps {name}, which {source} does not have" for name in other if name not in own]


def _tested(context: Context, models: Sequence[str]) -> Release:
    """The current release of the source, if it is tested and has these models."""
    store, environment = releases.of(context), context.environment
    name, refused = environment.name, f"cannot promote {environment.name}"
    release = store.latest()
    deploy = f"deploy and test it: `toolkit apply --env {name} --smoke-test`"
    if release is None or release.paused:
        state = "has no release" if release is None else "is paused"
        raise PreflightError(f"{refused}: it {state}", where=environment.file, remedy=deploy)
    present = definitions(environment, staging.locate(context.project, environment))
    differing = [model for model in models if release.definitions.get(model) != present[model]]
    if differing:
        raise PreflightError(
            f"{refused}: {', '.join(differing)} in its file is not what {release.label} deployed",
            where=environment.file,
            remedy=deploy,
        )
    result = store.smoke_test(release.number)
    # Earlier versions recorded only that the apply passed.
    passed = result.passed and result.endpoints == release.endpoints if result else release.smoke_test
    if not passed:
        failed = "failed its last smoke test" if result else "has not passed a smoke test"
        raise PreflightError(
            f"{refused}: {release.label} {failed}",
            where=environment.file,
            remedy=f"test it: `toolkit smoke-test --env {name} --record`",
        )
    return release
