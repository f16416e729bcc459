"""`toolkit policy …`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, Json

if TYPE_CHECKING:
    from toolkit.permissions import Document
    from toolkit.policy import Report

app = typer.Typer(help="Policies for what is deployed, and for who deploys.", no_args_is_help=True)


@app.command("check")
def check(
    path: Annotated[
        Path, typer.Argument(help="A plan in JSON, or a folder of Terraform code.", show_default=False)
    ],
    fail_at: Annotated[
        str, typer.Option("--fail-at", help="Severity from which on a finding is a violation.")
    ] = "high",
    source: Annotated[
        Path | None,
        typer.Option("--source", help="Folder of the stack that the plan was made of, to name files."),
    ] = None,
    sarif: Annotated[Path | None, typer.Option("--sarif", help="Also write SARIF to this file.")] = None,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write JUnit XML to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a plan or Terraform code by the policies; exit 3 if they forbid it."""
    from toolkit.console import Console
    from toolkit.policy import Gate, GateSettings, Severity, data, plandocument, text
    from toolkit.project import Project

    console = Console()
    settings = GateSettings(fail_at=Severity.parse(fail_at))
    plan = plandocument.read(path)
    _see_to_places(source, (sarif, junit))
    with Gate(Project.find(), console, settings) as gate, console.progress("checking policies"):
        report = gate.check_directory(path) if plan is None else gate.check_plan(plan, source)
    console.data(json.dumps(data.render(report), indent=2) if as_json else text.render(report))
    _write(report, sarif, junit)
    report.raise_for_violations()


@app.command("iam")
def iam(
    env: Env,
    name: Annotated[
        str | None, typer.Argument(help="Policy to print; without, they are listed.", show_default=False)
    ] = None,
) -> None:
    """Print an IAM policy of the environment's deployers, ready to paste."""
    from toolkit import permissions
    from toolkit.console import Console
    from toolkit.environment import load
    from toolkit.project import Project

    console, project = Console(), Project.find()
    environment = load(project, env)
    documents = permissions.documents(project, [environment])
    if name is not None:
        console.data(_named(documents, name).json())
        parts = [each.name for each in documents if each.name.startswith(f"{name}-")]
        if parts:
            console.warning(f"{name} is too large for one policy, and goes on in {', '.join(parts)}")
        return
    for document in documents:
        size = f"{document.characters} of {permissions.MAX_CHARACTERS} characters"
        console.data(f"{document.name:20} {document.description} ({document.policy_name}, {size})")


def _named(documents: list[Document], name: str) -> Document:
    from toolkit.errors import InputError

    found = next((each for each in documents if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in documents)
        raise InputError(f"there is no policy {name}", remedy=f"there are: {names}")
    return found


def _see_to_places(source: Path | None, reports: Iterable[Path | None]) -> None:
    """What is missing or in the way is told before anything is judged, which takes a while.

    Raises:
        InputError: there is no such folder of source code, or a report would take a folder's place.
    """
    from toolkit.errors import InputError

    if source is not None and not source.is_dir():
        raise InputError("--source names no folder", where=str(source), remedy="name the stack's folder")
    for path in filter(None, reports):
        if path.is_dir():
            raise InputError("this is a folder", where=str(path), remedy="name the file to write")
        path.parent.mkdir(parents=True, exist_ok=True)


def _write(report: Report, sarif: Path | None, junit: Path | None) -> None:
    import importlib.metadata

    if sarif:
        from toolkit.policy import sarif as sarif_format

        version = importlib.metadata.version("sagemaker-llm-toolkit")
        sarif.write_text(json.dumps(sarif_format.render(report, version), indent=2) + "\n", encoding="utf-8")
    if junit:
        from toolkit.policy import junit as junit_format

        junit.write_text(junit_format.render(report), encoding="utf-8")
