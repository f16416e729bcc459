"""`toolkit model …`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, Json

if TYPE_CHECKING:
    from toolkit.deployment.context import Context
    from toolkit.staging import Manifest, StagedModel, StoredModel

app = typer.Typer(help="Model weights: in the model store, and in memory.", no_args_is_help=True)


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


@app.command("fit")
def fit(
    env: Env,
    name: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only this model.")] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="config.json or GGUF file of the model; by default that of its source, if it is at hand.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute whether models fit the memory of their instances and start; exit 4 if one cannot."""
    from toolkit.console import Console
    from toolkit.deployment import fit as fits
    from toolkit.deployment.context import offline_context, open_context
    from toolkit.errors import InputError
    from toolkit.report import fit as text
    from toolkit.staging import description

    console = Console()
    context = offline_context(env, console)
    environment = context.environment
    find = fits.anywhere(context.project, environment, lambda: open_context(env, console).access)
    if config is not None:
        if name is None and len(environment.models) > 1:
            raise InputError("--config describes one model", remedy="name it with --model")
        find = fits.always(description.of_file(config))
    results = fits.check(environment, find, name)
    if as_json:
        console.data(json.dumps([result.as_data() for result in results], indent=2))
    else:
        for result in results:
            hardware = f"{result.instance_type or 'serverless'} ({result.hardware}, {result.engine})"
            for line in text.lines(result.name, hardware, result.source, result.estimate):
                console.data(line)
    fits.raise_for_failures(env, results)


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
