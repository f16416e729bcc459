"""`toolkit usage`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from toolkit.cli.options import Env, Json


class Dimension(StrEnum):
    """A column that requests are summed up by."""

    KEY = "key"
    MODEL = "model"
    DAY = "day"


By = Annotated[
    list[Dimension] | None,
    typer.Option("--by", help="Column to sum up by, repeatable; default: key."),
]
Csv = Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="Beginning: a date (UTC), 2026-11-01, or how far back, 7d; default: this month.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="TIME", help="End (exclusive), likewise; default: now."),
]


def usage(
    env: Env,
    by: By = None,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Show requests, tokens and costs by key, model and day."""
    from toolkit.console import Console
    from toolkit.deployment import usage
    from toolkit.deployment.context import open_context
    from toolkit.errors import InputError

    if as_json and as_csv:
        raise InputError("--json and --csv exclude each other", remedy="choose one of them")
    console = Console()
    report = usage.read(
        open_context(env, console), [dimension.value for dimension in by or [Dimension.KEY]], since, until
    )
    if as_json or as_csv:
        console.data(report.as_json() if as_json else report.as_csv())
    elif report.rows:
        console.line(f"requests {report.period_text}")
        console.data(report.as_table())
    else:
        console.line(f"no requests {report.period_text}")
    for note in report.notes():
        console.line(f"note: {note}")
