"""`toolkit ci …`: report to the system that runs a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Post reports from a GitHub workflow.", no_args_is_help=True)

Report = Annotated[Path, typer.Argument(metavar="FILE", help="Report, such as build/ENV/plan.md.")]


@app.command("comment")
def comment(report: Report) -> None:
    """Create or update a report's comment on the pull request."""
    from toolkit.console import Console
    from toolkit.report import github

    text = _read(report)
    Console().line(f"commented: {github.of_workflow().comment(text)}")


@app.command("issue")
def issue(
    report: Report,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Title of a new issue.")],
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Close the issue, with the report as its last comment.")
    ] = False,
) -> None:
    """Open or update a report's issue."""
    from toolkit.console import Console
    from toolkit.report import github

    text = _read(report)
    url = github.of_workflow().issue(text, title, resolved=resolved)
    console = Console()
    if url is None:
        console.line("no open issue")
    else:
        console.line(f"{'closed' if resolved else 'reported'}: {url}")


def _read(file: Path) -> str:
    from toolkit.documents import DamagedError, decode, load
    from toolkit.errors import InputError
    from toolkit.files import require_file
    from toolkit.report.github import require_marker

    require_file(file, "read the report", str(file), "check its path")
    try:
        text = decode(load(file))
    except DamagedError as damage:
        raise InputError(
            f"cannot read the report: {damage}", where=str(file), remedy="create it with --markdown"
        ) from None
    require_marker(text, str(file))
    return text
