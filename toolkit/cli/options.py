"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from toolkit.durations import parse_seconds

if TYPE_CHECKING:
    from toolkit.console import Console


def _seconds(text: str | int) -> int:
    return parse_seconds(str(text), "--lock-timeout", unit_required=False)


Env = Annotated[
    str,
    typer.Option(
        "--env",
        "-e",
        envvar="TOOLKIT_ENV",
        metavar="ENV",
        help="Environment, named after its file ENV.yaml.",
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


def check_reports(
    as_json: bool, as_markdown: bool, files: Mapping[str, str | None], example: str = "--html report.html"
) -> None:
    """Fail before a command that takes a while, if its result has no place.

    Args:
        as_json: whether JSON is printed.
        as_markdown: whether Markdown is printed.
        files: the paths of reports, by option; "-" is standard output.
        example: one of these options with a file.

    Raises:
        InputError: two formats for standard output, or a path that cannot be written.
    """
    from toolkit.errors import InputError
    from toolkit.os_errors import prepare_output

    printed = {f"{option} -": file == "-" for option, file in files.items()}
    formats = {"--json": as_json, "--markdown": as_markdown, **printed}
    chosen = [name for name, enabled in formats.items() if enabled]
    if len(chosen) > 1:
        per_format = as_json and as_markdown
        remedy = "run the command once per format" if per_format else f"name a file, as in `{example}`"
        raise InputError(f"cannot print {' and '.join(chosen)} at once", remedy=remedy)
    for file in files.values():
        if file not in (None, "-"):
            prepare_output(Path(str(file)))


def write_report(console: Console, file: str, text: str) -> None:
    """Write a report to a file, or to standard output."""
    from toolkit.os_errors import writing

    if file == "-":
        console.data(text)
        return
    path = Path(file)
    # Not atomic: it may be a pipe.
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
