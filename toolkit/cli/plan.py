"""`toolkit plan`."""

from __future__ import annotations

from toolkit.cli.options import Env


def plan(env: Env) -> None:
    """Show what an apply would change."""
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment.context import open_context

    console = Console()
    prepared = inference.prepare(open_context(env, console, start_cloud=True))
    console.data(prepared.plan.summary())
