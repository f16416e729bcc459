"""The gate: gets ready while Terraform plans, then judges once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from toolkit.console import Console
from toolkit.errors import InputError
from toolkit.gate import plan_document, rules
from toolkit.gate.findings import Report
from toolkit.gate.judge import Judge, Locate
from toolkit.gate.rules import Rulebook
from toolkit.gate.scan import Scan, Scanner
from toolkit.gate.settings import GateSettings
from toolkit.gate.sources import Block, PlanSources, Sources
from toolkit.project import Project


class Gate:
    """Judges one plan or one folder of source code.

    Args:
        project: whose rules are applied.
        console: where an installation shows its progress.
        settings: what is let through.
        today: the day on which exceptions are valid or not; by default today.

    Raises:
        PreflightError: checkov could not be installed.
    """

    def __init__(
        self, project: Project, console: Console, settings: GateSettings, today: date | None = None
    ) -> None:
        self._project = project
        self._settings = settings
        self._today = today or date.today()
        self._sources = Sources()
        self._scanner = Scanner(project, console)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scanner.close()

    def check_plan(self, document: Mapping[str, Any], stack: Path | None = None) -> Report:
        """Judge what will be there once a plan is applied, changed or not.

        Args:
            document: what `terraform show -json` says of the plan.
            stack: folder of the root module; with it, findings have file and line, and comments in the
                source code count.

        Raises:
            InputError: the document is no plan.
            ToolkitError: the scan failed.
        """
        if not plan_document.is_plan(document):
            raise InputError("not a plan in Terraform's JSON format", remedy=plan_document.REMEDY)
        planned = PlanSources(document, stack, self._sources) if stack else None
        scan = self._scanner.plan(plan_document.resolve_references(document))
        return self._judge(scan, lambda raw: planned.block(raw.resource) if planned else None)

    def check_directory(self, directory: Path) -> Report:
        """Judge source code, as far as its values can be told without a plan.

        Raises:
            InputError: there is none.
            ToolkitError: the scan failed.
        """
        files = list(directory.rglob("*.tf"))
        if not files:
            raise InputError("there is no Terraform code in this folder", where=str(directory))
        for path in files:
            # Not what `terraform init` has brought, in .terraform/.
            if not any(part.startswith(".") for part in path.relative_to(directory).parts):
                self._sources.file(path.resolve())
        return self._judge(self._scanner.directory(directory), lambda raw: Block(raw.file, *raw.lines))

    def _judge(self, scan: Scan, locate: Locate) -> Report:
        book = Rulebook(scan.rules, *rules.read_builtin(self._project))
        judge = Judge(book, self._settings, self._today, self._sources, self._project.relative)
        return judge.report(scan, locate)
