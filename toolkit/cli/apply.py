"""`toolkit apply`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.context import Context
    from toolkit.deployment.outputs import Outputs


SmokeTest = Annotated[
    bool, typer.Option("--smoke-test", help="Test the rollout, and roll back by itself if the test fails.")
]


PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Apply exactly what `toolkit plan` saved in this file."),
]


def apply(
    env: Env,
    plan_file: PlanFile = None,
    yes: Yes = False,
    allow_destroy: AllowDestroy = None,
    smoke_test: SmokeTest = False,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Deploy an environment, and see that it serves what was planned."""
    from functools import partial

    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment.context import open_context
    from toolkit.deployment.locks import locking
    from toolkit.deployment.plans import planfile, review
    from toolkit.report import text

    console = Console()
    context = open_context(env, console, start_cloud=True, lock_timeout=lock_timeout)
    with locking.exclusive(context):
        prepare = inference.prepare if plan_file is None else partial(planfile.load, path=plan_file)
        found = review.review(context, prepare, judge="changes")
        console.line(text.render(found.summary))
        failed = found.prepared.failed
        review.require_allowed(context, found.summary, allow_destroy, failed=failed)
        question = f"Apply this to {env} (account {context.access.account_id})?"
        approval.require_for(console, context, found.prepared.plan, question, yes=yes)
        if smoke_test:
            from toolkit import smoke

            outputs = smoke.apply_tested(context, found.prepared)
        else:
            outputs = inference.apply(context, found.prepared)
    _say_where(console, context, outputs)


def _say_where(console: Console, context: Context, outputs: Outputs) -> None:
    env, base_url = outputs.environment, outputs.api_base_url
    console.line()
    console.line(f"{env} serves {', '.join(outputs.models)} at {base_url}")
    console.line()
    if context.environment.api.auth == "iam":
        console.line(f"callers sign their requests; `{program(context)} smoke-test --env {env}` does so, too")
    else:
        header = (
            "x-api-key: " if context.environment.api.key_header == "x-api-key" else "Authorization: Bearer "
        )
        key = f"{header}$({program(context)} keys show default --env {env})"
        console.line(_curl(base_url, next(iter(outputs.models)), key))


def _curl(base_url: str, model: str, key: str) -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'
    return (
        f"curl {base_url}/chat/completions \\\n"
        f'  -H "{key}" \\\n'
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
