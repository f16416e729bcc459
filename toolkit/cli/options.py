"""Options that several commands share."""

from __future__ import annotations

import re
from typing import Annotated

import typer

_UNITS = {"s": 1, "m": 60, "h": 3600}


def _seconds(text: str | int) -> int:
    match = re.fullmatch(r"(\d+)([smh]?)", str(text))
    if not match:
        raise typer.BadParameter(f"{text!r} is not a time: write 90s, 10m or 1h")
    return int(match[1]) * _UNITS[match[2] or "s"]


Env = Annotated[
    str,
    typer.Option(
        "--env",
        "-e",
        envvar="TOOLKIT_ENV",
        metavar="ENV",
        help="Environment: terraform/environments/ENV.yaml.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request's comment.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
LockTimeout = Annotated[
    int,
    typer.Option(
        "--lock-timeout",
        parser=_seconds,
        metavar="TIME",
        help="How long to wait while others work on the environment: 90s, 10m.",
    ),
]
AllowDestroy = Annotated[
    str | None,
    typer.Option(
        "--allow-destroy",
        metavar="ENV",
        help="Allow that something stateful is destroyed or replaced, in this environment.",
    ),
]
