"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from toolkit.durations import parse_seconds


def _seconds(text: str | int) -> int:
    return parse_seconds(str(text), "--lock-timeout", unit_required=False)


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
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown for a pull request comment.")]
Html = Annotated[bool, typer.Option("--html", help="Print one self-contained HTML page.")]
HtmlFile = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="Also write an HTML page; - is standard output."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation prompt.")]
LockTimeout = Annotated[
    int,
    typer.Option(
        "--lock-timeout",
        parser=_seconds,
        metavar="TIME",
        help="How long to wait for locks on the environment: 90s, 10m.",
    ),
]
AllowDestroy = Annotated[
    str | None,
    typer.Option(
        "--allow-destroy",
        metavar="ENV",
        help="Allow destroying or replacing stateful resources of this environment.",
    ),
]
Stack = Annotated[
    Literal["inference", "account"], typer.Option("--stack", help="Stack that the state belongs to.")
]


def choose_format(*, remedy: str = "run the command once per format", **flags: bool) -> str:
    """The format whose option is set; "text" without one.

    Args:
        remedy: what else to do.
        flags: whether the option is set, by its name.

    Raises:
        InputError: two are.
    """
    from toolkit.errors import InputError

    chosen = [form for form, enabled in flags.items() if enabled]
    if len(chosen) > 1:
        raise InputError(f"choose one format, not {' and '.join(chosen)}", remedy=remedy)
    return chosen[0] if chosen else "text"
