"""`toolkit rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes


def rollback(
    env: Env,
    to: Annotated[
        int | None,
        typer.Option("--to", metavar="N", min=1, help="Number of the release; default: the previous one."),
    ] = None,
    yes: Yes = False,
    allow_destroy: AllowDestroy = None,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Roll back to an earlier release: plan, review and apply its recorded variables and packages."""
    from toolkit.console import Console
    from toolkit.deployment import lifecycle

    console, consent = Console(), lifecycle.Consent(yes, allow_destroy)
    result = lifecycle.run(lifecycle.rollback(to), env, console, consent, lock_timeout)
    console.line(f"{env}: {result.action} is done")
