"""`toolkit model …`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, Json

if TYPE_CHECKING:
    from toolkit.deployment.context import Context
    from toolkit.staging import Manifest, StagedModel, StoredModel

app = typer.Typer(help="Model weights in the model store.", no_args_is_help=True)


@app.command("stage")
def stage(
    env: Env,
    name: Annotated[str | None, typer.Argument(metavar="MODEL", help="The model.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All models of the environment.")] = False,
) -> None:
    """Stage a model's weights in the model store; an interrupted run resumes where it stopped."""
    from toolkit import staging
    from toolkit.console import Console
    from toolkit.deployment import account
    from toolkit.deployment.context import open_context
    from toolkit.errors import InputError

    if (name is None) != every:
        raise InputError("name one model, or all of them with --all")
    console = Console()
    context = open_context(env, console, start_cloud=True)
    models = _chosen(context, name)
    account.ensure(context)
    for model in models:
        staged = staging.stage(context.access, model, console)
        manifest = staged.manifest
        description = f"{_content(manifest)}, in {model.uri}"
        if staged.uploaded:
            console.line(f"{model.name} is staged: {description}")
        else:
            console.line(
                f"{model.name} was staged already: {description} ({manifest.staged_at}, {manifest.staged_by})"
            )


@app.command("list")
def list_models(env: Env, as_json: Json = False) -> None:
    """List the models of an environment: source, address in the model store, and whether they are staged."""
    from toolkit import staging
    from toolkit.console import Console
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    inventory = staging.inventory(context.access, context.project, context.environment)
    if as_json:
        console.data(json.dumps([model.as_json() for model in inventory], indent=2))
        return
    for model in inventory:
        for line in _describe(model):
            console.data(line)


def _chosen(context: Context, name: str | None) -> list[StagedModel]:
    """The staged weights of all models, of one model with its variants, or of one variant."""
    from toolkit import staging
    from toolkit.errors import InputError

    environment = context.environment
    variants = staging.variants_with_weights(environment)
    chosen = {
        key: variant for key, variant in variants.items() if name is None or name in (key, variant.model)
    }
    if not chosen:
        raise InputError(
            f"{environment.name} has no model {name}",
            where=environment.file,
            remedy=f"it has {', '.join(environment.models)}",
        )
    located = [staging.locate_one(context.project, environment, variant) for variant in chosen.values()]
    models = [model for model in located if model is not None]
    if not models and name is not None:
        reason = staging.not_staged_reason(next(iter(chosen.values())).source)
        raise InputError(f"the weights of {name} are not staged: {reason}", where=environment.file)
    return models


def _describe(model: StoredModel) -> list[str]:
    state = {True: "staged", False: "NOT staged", None: "not to be staged"}[model.staged]
    state += f": {model.note}" if model.note else ""
    lines = [f"{model.model}  {state}", f"  {model.source}"]
    if model.uri:
        lines.append(f"  {model.uri}")
    if model.manifest:
        manifest = model.manifest
        lines.append(f"  {_content(manifest)}, {manifest.staged_at} by {manifest.staged_by}")
    return lines


def _content(manifest: Manifest) -> str:
    from toolkit.staging.progress import size_text

    count = len(manifest.files)
    return f"{count} {'file' if count == 1 else 'files'}, {size_text(manifest.size)}"
