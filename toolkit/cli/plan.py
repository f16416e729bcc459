"""`toolkit plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.options import Env, Json, LockTimeout

Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request's comment.")]
Html = Annotated[bool, typer.Option("--html", help="Print one self-contained HTML page.")]


def plan(
    env: Env,
    as_json: Json = False,
    as_markdown: Markdown = False,
    as_html: Html = False,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Show what an apply would change and what that means, judge it by the policies, and save it."""
    from toolkit.console import Console
    from toolkit.deployment import planning
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console, start_cloud=True, lock_timeout=lock_timeout)
    outcome = planning.plan(context)
    console.data(planning.FORMATS[_form(as_json, as_markdown, as_html)](outcome.summary))
    if outcome.summary.policy is not None:
        outcome.summary.policy.raise_for_violations()
    if outcome.path is not None:
        path = context.project.relative(outcome.path)
        console.line(f"saved: `toolkit apply --env {env} --plan {path}` applies exactly this")


def _form(as_json: bool, as_markdown: bool, as_html: bool) -> str:
    from toolkit.errors import InputError

    flags = {"json": as_json, "markdown": as_markdown, "html": as_html}
    chosen = [form for form, wanted in flags.items() if wanted]
    if len(chosen) > 1:
        raise InputError(
            f"one format at a time, not {' and '.join(chosen)}",
            remedy="every plan is also written to build/ENV/plan.json, plan.md and plan.html",
        )
    return chosen[0] if chosen else "text"
