"""`toolkit rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.options import Env, Yes


def rollback(
    env: Env,
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", min=1, help="The release; default: the previous one.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Go back to an earlier release: plan, show and apply what was recorded."""
    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment import rollback as releases
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    prepared = releases.prepare_rollback(context, to)
    console.line(f"{prepared.action}: {prepared.plan.summary()}")
    approval.require_for(console, context, prepared.plan, f"{prepared.action.capitalize()}?", yes=yes)
    inference.apply(context, prepared)
    console.line(f"{env}: {prepared.action} is done")
