"""`toolkit drift`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.options import Env, Html, Json, LockTimeout, Markdown, choose_format

PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Also save the plan that reverts the drift, for an apply."),
]


def drift(
    env: Env,
    as_json: Json = False,
    as_markdown: Markdown = False,
    as_html: Html = False,
    plan_file: PlanFile = None,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Show changes made outside of Terraform since the last apply; exit 8 if there are any."""
    from toolkit.console import Console
    from toolkit.deployment import lifecycle
    from toolkit.deployment.plans import review
    from toolkit.os_errors import prepare_output
    from toolkit.report import text

    console = Console()
    form = choose_format(json=as_json, markdown=as_markdown, html=as_html)
    if plan_file is not None:
        review.check_path(plan_file)
        prepare_output(plan_file)
    drift, planned = lifecycle.drift(env, console, lock_timeout, plan_file)
    formats = {
        "json": lambda: json.dumps(drift.as_data(), indent=2),
        "markdown": drift.as_markdown,
        "html": drift.as_html,
        "text": drift.as_text,
    }
    console.data(formats[form]())
    if planned is not None:
        console.line(text.render(planned.summary))
        if planned.summary.policy is not None:
            planned.summary.policy.raise_for_violations()
        if planned.summary.has_changes:
            console.line(f"saved: `toolkit apply --env {env} --plan {plan_file}` reverts the drift")
        else:
            console.warning("an apply would not revert it: Terraform ignores these attributes")
    drift.raise_if_any()
