"""`toolkit sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.code.sync import Sync

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Go on with each change of a file, until Ctrl-C.")]


def sync(env: Env, watch: Watch = False) -> None:
    """Update the code of the Lambda functions in seconds, without Terraform."""
    from toolkit.console import Console
    from toolkit.deployment.code.sync import Sync
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    work = Sync(context, watch=watch)
    if not watch:
        _once(console, work)
        return
    from toolkit.deployment.code import watching

    source = context.project.root / "lambda_src"
    console.line(f"watching {context.project.relative(source)}, Ctrl-C to stop")
    for _ in watching.changes(source):
        with watching.surviving(console):
            _say(console, work)


def _once(console: Console, work: Sync) -> None:
    if not _say(console, work):
        console.line("nothing to do: the functions run what lambda_src holds")


def _say(console: Console, work: Sync) -> bool:
    synced = work.run()
    for function in synced:
        console.line(function.describe())
    return bool(synced)
