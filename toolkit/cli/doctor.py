"""`toolkit doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from toolkit.cli.options import Json


def doctor(
    env: Annotated[
        str | None,
        typer.Option("--env", "-e", envvar="TOOLKIT_ENV", metavar="ENV", help="Also check this environment."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check this machine: tools, versions, provider, embedded cloud, credentials."""
    from toolkit import preflight
    from toolkit.console import Console
    from toolkit.errors import PreflightError
    from toolkit.project import Project

    console = Console()
    findings = preflight.examine(Project.find(), env, console)
    if as_json:
        console.data(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            console.data(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject:{width}}  {finding.detail}")
    failed = [finding for finding in findings if not finding.ok]
    if failed:
        raise PreflightError(
            f"{len(failed)} of {len(findings)} checks failed: "
            + ", ".join(finding.subject for finding in failed)
        )
