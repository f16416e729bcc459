"""`toolkit preflight`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from toolkit.cli.options import Env, Json, Markdown, choose_format

Principal = Annotated[
    str | None,
    typer.Option("--principal", metavar="ARN", help="User or role that will deploy; by default the caller."),
]


def preflight(
    env: Env, principal: Principal = None, as_json: Json = False, as_markdown: Markdown = False
) -> None:
    """Check that AWS will accept a deployment: rights, quotas, images, weights, network. Changes nothing."""
    from toolkit.console import Console
    from toolkit.preflight import deployment, results

    form = choose_format(json=as_json, markdown=as_markdown)
    console = Console()
    report = deployment.examine(env, console, principal)
    if form == "json":
        console.data(json.dumps(results.as_data(env, report), indent=2))
    elif form == "markdown":
        console.data(results.as_markdown(env, report))
    else:
        console.data(results.as_text(report))
    results.raise_for_failures(env, report)
    console.line(f"{env}: {results.summary(report)}")
