"""`toolkit plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Json, LockTimeout, Markdown

if TYPE_CHECKING:
    from toolkit.console import Console

Envs = Annotated[
    str | None,
    typer.Option(
        "--env",
        "-e",
        envvar="TOOLKIT_ENV",
        metavar="ENV[,ENV…]",
        help="Environment: terraform/environments/ENV.yaml; several are planned at once.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="Plan all environments at once.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, help="How many environments at once.")]
Html = Annotated[bool, typer.Option("--html", help="Print one self-contained HTML page.")]


def plan(
    env: Envs = None,
    every: All = False,
    as_json: Json = False,
    as_markdown: Markdown = False,
    as_html: Html = False,
    parallel: Parallel = 4,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Show what an apply would change and what that means, judge it by the policies, and save it."""
    from toolkit.console import Console

    console = Console()
    form = _form(as_json, as_markdown, as_html)
    names = _names(env, every)
    if len(names) > 1:
        _plan_all(console, names, form, parallel, lock_timeout)
    else:
        _plan_one(console, names[0], form, lock_timeout)


def _plan_one(console: Console, env: str, form: str, lock_timeout: int) -> None:
    from toolkit.deployment.context import open_context
    from toolkit.deployment.plans import planning

    context = open_context(env, console, start_cloud=True, lock_timeout=lock_timeout)
    outcome = planning.plan(context)
    console.data(planning.FORMATS[form](outcome.summary))
    if outcome.summary.policy is not None:
        outcome.summary.policy.raise_for_violations()
    if outcome.path is not None:
        path = context.project.relative(outcome.path)
        console.line(f"saved: `toolkit apply --env {env} --plan {path}` applies exactly this")


def _plan_all(console: Console, names: list[str], form: str, parallel: int, lock_timeout: int) -> None:
    from toolkit.deployment.plans import sidebyside
    from toolkit.errors import InputError
    from toolkit.project import Project

    if form == "html":
        raise InputError(
            "a page is of one environment", remedy="each plan's page is written to build/ENV/plan.html"
        )
    project = Project.find()
    planned = sidebyside.plan(project, console, names, parallel, lock_timeout)
    if form == "json":
        console.data(json.dumps(sidebyside.as_data(planned), indent=2))
    elif form == "markdown":
        console.data(sidebyside.as_markdown(project, planned))
    else:
        console.data(sidebyside.as_text(planned))
    sidebyside.raise_for_worst(planned)


def _names(env: str | None, every: bool) -> list[str]:
    from toolkit import environment
    from toolkit.errors import InputError
    from toolkit.project import Project

    names = list(dict.fromkeys(filter(None, (each.strip() for each in (env or "").split(",")))))
    if every:
        names = environment.names(Project.find())
    if not names:
        raise InputError("no environment is named", remedy="name one or several: --env a,b,c, or --all")
    return names


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
