"""`toolkit plan`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Html, Json, LockTimeout, Markdown, choose_format

if TYPE_CHECKING:
    from toolkit.console import Console

Envs = Annotated[
    str | None,
    typer.Option(
        "--env",
        "-e",
        envvar="TOOLKIT_ENV",
        metavar="ENV[,ENV…]",
        help="Environment, named after its file ENV.yaml; several are planned in parallel.",
    ),
]
All = Annotated[bool, typer.Option("--all", help="Plan all environments in parallel.")]
Parallel = Annotated[
    int, typer.Option("--parallel", metavar="N", min=1, help="Number of environments planned at a time.")
]


def plan(
    env: Envs = None,
    every: All = False,
    as_json: Json = False,
    as_markdown: Markdown = False,
    as_html: Html = False,
    parallel: Parallel = 4,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Show what an apply would change and its impact, check it against the policies, and save the plan."""
    from toolkit.console import Console

    console = Console()
    form = choose_format(
        json=as_json,
        markdown=as_markdown,
        html=as_html,
        remedy="every plan is also written to build/ENV/plan.json, plan.md and plan.html",
    )
    names = _names(env, every)
    if len(names) > 1:
        _plan_all(console, names, form, parallel, lock_timeout)
    else:
        _plan_one(console, names[0], form, lock_timeout)


def _plan_one(console: Console, env: str, form: str, lock_timeout: int) -> None:
    from toolkit.deployment import lifecycle
    from toolkit.deployment.plans.review import FORMATS
    from toolkit.preflight import deployment

    planned = lifecycle.plan(env, console, lock_timeout, deployment.problems)
    console.data(FORMATS[form](planned.summary))
    if planned.summary.policy is not None:
        planned.summary.policy.raise_for_violations()
    if planned.summary.cost is not None:
        planned.summary.cost.raise_for_ceiling(planned.context.environment.file)
    if planned.path is not None:
        path = planned.context.project.relative(planned.path)
        console.line(f"saved: `toolkit apply --env {env} --plan {path}` applies exactly this plan")


def _plan_all(console: Console, names: list[str], form: str, parallel: int, lock_timeout: int) -> None:
    from toolkit.deployment.plans import parallel as parallel_plans
    from toolkit.errors import InputError
    from toolkit.project import Project

    if form == "html":
        raise InputError(
            "--html shows one environment", remedy="every plan's page is also written to build/ENV/plan.html"
        )
    project = Project.find()
    planned = parallel_plans.plan(project, console, names, parallel, lock_timeout)
    if form == "json":
        console.data(json.dumps(parallel_plans.as_data(planned), indent=2))
    elif form == "markdown":
        console.data(parallel_plans.as_markdown(project, planned))
    else:
        console.data(parallel_plans.as_text(planned))
    parallel_plans.raise_for_worst(planned)


def _names(env: str | None, every: bool) -> list[str]:
    from toolkit import environment
    from toolkit.errors import InputError
    from toolkit.project import Project

    names = list(dict.fromkeys(filter(None, (name.strip() for name in (env or "").split(",")))))
    if every:
        names = environment.names(Project.find())
    if not names:
        raise InputError("no environment given", remedy="pass --env a,b,c or --all")
    return names
