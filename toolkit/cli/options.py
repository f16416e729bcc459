"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

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
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
