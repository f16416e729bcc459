"""`toolkit reap`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from toolkit.cli.options import Env, Json, LockTimeout


def reap(
    env: Env,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Destroy what has expired.")] = False,
    as_json: Json = False,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Show the environments with a `ttl` in the state bucket of ENV, and destroy the expired with --yes."""
    from toolkit.console import Console
    from toolkit.deployment import reap
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console, lock_timeout=lock_timeout)
    mortals = reap.find(context)
    if yes:
        for mortal in mortals:
            console.line(str(mortal))
        mortals = list(reap.reap(context, mortals))
    if as_json:
        console.data(json.dumps([mortal.as_data() for mortal in mortals], indent=2))
    else:
        for mortal in mortals:
            console.data(str(mortal))
        if not mortals:
            console.line("no environment has a ttl")
        elif not yes and any(mortal.state == "expired" for mortal in mortals):
            console.line("pass --yes to destroy those that have expired")
    reap.raise_for_failures(mortals)
