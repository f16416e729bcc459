"""`toolkit render`."""

from __future__ import annotations

from toolkit.cli.options import Env


def render(env: Env) -> None:
    """Write Terraform's variables and backend settings under build/ENV/, and list the files."""
    from toolkit.console import Console
    from toolkit.deployment import artifacts
    from toolkit.deployment.context import offline_context

    console = Console()
    context = offline_context(env, console)
    for path in artifacts.write_all(context):
        console.data(context.project.relative(path))
