"""`toolkit sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.sync import Sync

Watch = Annotated[
    bool, typer.Option("--watch", "-w", help="Repeat after each change of a file, until Ctrl-C.")
]


def sync(env: Env, watch: Watch = False) -> None:
    """Update the code of the Lambda functions in seconds, without Terraform."""
    from toolkit.console import Console
    from toolkit.deployment import sync
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    functions = sync.Sync(context, watch=watch)
    if not watch:
        if not _run(console, functions):
            console.line("the functions are up to date with lambda_src")
        return
    directories = sync.directories(context)
    names = " and ".join(map(context.project.relative, directories))
    console.line(f"watching {names}, Ctrl-C to stop")
    for _ in sync.changes(*directories):
        with sync.report_errors(console):
            _run(console, functions)


def _run(console: Console, functions: Sync) -> bool:
    updated = functions.run()
    for function in updated:
        console.line(function.describe())
    return bool(updated)
