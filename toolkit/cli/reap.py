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
    candidates = reap.find(context)
    if yes:
        for candidate in candidates:
            console.line(str(candidate))
        candidates = list(reap.reap(context, candidates))
    if as_json:
        console.data(json.dumps([candidate.as_data() for candidate in candidates], indent=2))
    else:
        for candidate in candidates:
            console.data(str(candidate))
        if not candidates:
            console.line("no environment has a ttl")
        elif not yes and any(candidate.state == "expired" for candidate in candidates):
            console.line("pass --yes to destroy those that have expired")
    reap.raise_for_failures(candidates)
