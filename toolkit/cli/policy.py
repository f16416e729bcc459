"""`toolkit policy …`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from toolkit.policy import Gate, GateSettings, Severity, data, text
    from toolkit.project import Project

    console = Console()
    settings = GateSettings(fail_at=Severity.parse(fail_at))
    plan = _plan(path)
    with Gate(Project.find(), console, settings) as gate, console.progress("checking policies"):
        report = gate.check_directory(path) if plan is None else gate.check_plan(plan, source)
    _write(report, sarif, junit)
    console.data(json.dumps(data.render(report), indent=2) if as_json else text.render(report))
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


def _plan(path: Path) -> dict[str, Any] | None:
    """A plan's JSON; None if the path is a folder."""
    from toolkit.errors import InputError

    if path.is_dir():
        return None
    how = "`terraform show -json PLAN > plan.json` makes one of a saved plan"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError("there is no such file or folder", where=str(path)) from None
    except ValueError:
        raise InputError("this is neither a folder nor a plan in JSON", where=str(path), remedy=how) from None
    if not isinstance(content, dict):
        raise InputError("this is no plan in JSON", where=str(path), remedy=how)
    return content


def _write(report: Report, sarif: Path | None, junit: Path | None) -> None:
    import importlib.metadata

    if sarif:
        from toolkit.policy import sarif as sarif_format

        version = importlib.metadata.version("sagemaker-llm-toolkit")
        sarif.write_text(json.dumps(sarif_format.render(report, version), indent=2) + "\n", encoding="utf-8")
    if junit:
        from toolkit.policy import junit as junit_format

        junit.write_text(junit_format.render(report), encoding="utf-8")
