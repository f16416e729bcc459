"""`toolkit policy …`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli import iam
from toolkit.cli.options import Env, Json
from toolkit.os_errors import prepare_output, writing

if TYPE_CHECKING:
    from toolkit.gate import Report

app = typer.Typer(help="Check plans and Terraform code against policies.", no_args_is_help=True)


@app.command("check")
def check(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="Plan in JSON, or a directory of Terraform code.")
    ],
    fail_at: Annotated[
        str, typer.Option("--fail-at", metavar="SEVERITY", help="Lowest severity that fails the check.")
    ] = "high",
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            metavar="FOLDER",
            help="Directory of the stack that was planned, to report files and lines.",
        ),
    ] = None,
    sarif: Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Also write SARIF.")] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML.")
    ] = None,
    env: Annotated[
        str | None,
        typer.Option(
            "--env", "-e", metavar="ENV", help="Also check the ceiling of the costs of this environment."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a plan or Terraform code against the policies. Exits 3 on violations."""
    from toolkit import environment
    from toolkit.console import Console
    from toolkit.cost.estimate import estimate
    from toolkit.gate import Gate, GateSettings, Severity, data, plan_document, text
    from toolkit.project import Project

    console = Console()
    loaded = None if env is None else environment.load(Project.find(), env)
    costs = None if loaded is None else estimate(loaded)
    settings = GateSettings(fail_at=Severity.parse(fail_at))
    plan = plan_document.read(path)
    _validate_paths(source, (sarif, junit))
    with Gate(Project.find(), console, settings) as gate, console.progress("checking policies"):
        report = gate.check_directory(path) if plan is None else gate.check_plan(plan, source)
    if as_json:
        cost = {} if costs is None else {"cost": costs.as_data()}
        console.data(json.dumps({**data.render(report), **cost}, indent=2))
    else:
        lines = [] if costs is None else [f"cost: {costs.violation or costs.headline()}"]
        console.data("\n".join([text.render(report), *lines]))
    _write(report, sarif, junit)
    report.raise_for_violations()
    if loaded is not None and costs is not None:
        costs.raise_for_ceiling(loaded.file)


@app.command("iam", hidden=True)
def show_iam(env: Env, name: Annotated[str | None, typer.Argument(metavar="POLICY")] = None) -> None:
    """Deprecated: use `toolkit iam show`."""
    from toolkit.console import Console

    Console().warning("`toolkit policy iam` is deprecated: use `toolkit iam show`")
    iam.show(env, name)


def _validate_paths(source: Path | None, reports: Iterable[Path | None]) -> None:
    """Fail before the check, which takes a while, if a path cannot be used.

    Raises:
        InputError: `source` is not a directory, or a report cannot be written.
    """
    from toolkit.errors import InputError

    if source is not None and not source.is_dir():
        raise InputError(
            "--source is not a directory", where=str(source), remedy="name the stack's directory"
        )
    for path in filter(None, reports):
        prepare_output(path)


def _write(report: Report, sarif: Path | None, junit: Path | None) -> None:
    import importlib.metadata

    if sarif:
        from toolkit.gate import sarif as sarif_format

        version = importlib.metadata.version("sagemaker-llm-toolkit")
        content = json.dumps(sarif_format.render(report, version), indent=2) + "\n"
        # Not atomic: it may be a pipe.
        with writing(sarif):
            sarif.write_text(content, encoding="utf-8")
    if junit:
        from toolkit.gate import junit as junit_format

        with writing(junit):
            junit.write_text(junit_format.render(report), encoding="utf-8")
