"""`toolkit apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, Yes

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.context import Context
    from toolkit.deployment.outputs import Outputs


SmokeTest = Annotated[
    bool, typer.Option("--smoke-test", help="Test the rollout, and roll back by itself if the test fails.")
]


def apply(env: Env, yes: Yes = False, smoke_test: SmokeTest = False) -> None:
    """Deploy an environment, and see that it serves what was planned."""
    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console, start_cloud=True)
    prepared = inference.prepare(context)
    console.line(prepared.plan.summary())
    question = f"Apply this to {env} (account {context.access.account_id})?"
    approval.require_for(console, context, prepared.plan, question, yes=yes)
    if smoke_test:
        from toolkit import smoke

        _say_where(console, context, smoke.apply_tested(context, prepared))
    else:
        _say_where(console, context, inference.apply(context, prepared))


def _say_where(console: Console, context: Context, outputs: Outputs) -> None:
    env, base_url = outputs.environment, outputs.api_base_url
    console.line()
    console.line(f"{env} serves {', '.join(outputs.models)} at {base_url}")
    console.line()
    console.line(_curl(env, base_url, next(iter(outputs.models)), program(context)))


def _curl(env: str, base_url: str, model: str, toolkit: str) -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'
    return (
        f"curl {base_url}/chat/completions \\\n"
        f'  -H "Authorization: Bearer $({toolkit} keys show default --env {env})" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'"
    )


def program(context: Context) -> str:
    """How the user starts this program: by name where it is on PATH, else as it was started."""
    import shutil
    import sys
    from pathlib import Path

    if shutil.which("toolkit"):
        return "toolkit"
    started = Path(sys.argv[0]).absolute()
    if started.name == "__main__.py":
        return f"{sys.executable} -m toolkit"
    return context.project.relative(started)
