"""`toolkit state …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.options import Env, LockTimeout, Stack

app = typer.Typer(help="Repair the stored Terraform state.", no_args_is_help=True)


@app.command("push")
def push(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="State that an apply could not store, or an earlier version."),
    ],
    env: Env,
    stack: Stack = "inference",
    lock_timeout: LockTimeout = 0,
) -> None:
    """Store a state that an apply could not store, or an earlier version in place of a damaged one."""
    from toolkit.console import Console
    from toolkit.deployment import locks
    from toolkit.deployment.context import open_context
    from toolkit.deployment.recovery import unstored_state

    console = Console()
    context = open_context(env, console, lock_timeout=lock_timeout)
    with locks.exclusive(context):
        # Errors name files relative to the project.
        unstored_state.push(context, stack, file if file.is_file() else context.project.root / file)
    console.line(f"stored the state of {env} ({stack}); apply again to complete the failed apply")
