"""`toolkit unlock`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from toolkit.cli.options import Env, Yes

Stack = Annotated[
    Literal["inference", "account"], typer.Option("--stack", help="The stack whose state is locked.")
]


def unlock(env: Env, stack: Stack = "inference", yes: Yes = False) -> None:
    """Show who holds the lock on an environment's state, and clear it if its holder is dead."""
    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment.context import open_context
    from toolkit.deployment.locks import statelock

    console = Console()
    context = open_context(env, console)
    held = statelock.read(context, stack)
    if held is None:
        console.line(f"the state of {env} ({stack}) is not locked")
        return
    for line in statelock.explain(context, held):
        console.line(line)
    approval.require(console, "Clear this lock?", yes=yes)
    statelock.clear(context, stack, held)
    console.line("the lock is cleared; apply again: what was done before is taken into account")
