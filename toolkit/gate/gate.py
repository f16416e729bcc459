"""The policy gate: starts checkov while Terraform plans, then checks once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from toolkit.console import Console
from toolkit.errors import InputError
from toolkit.gate import plan_document, rules
from toolkit.gate.evaluator import Evaluator, Locate
from toolkit.gate.findings import Report
from toolkit.gate.rules import Rulebook
from toolkit.gate.scan import Scan, Scanner
from toolkit.gate.settings import GateSettings
from toolkit.gate.sources import Block, PlanSources, Sources
from toolkit.project import Project


class Gate:
    """Checks one plan or one directory of source code.

    Args:
        project: the checkout with the rules.
        console: shows the progress of installing checkov.
        settings: threshold and exceptions.
        today: date for the expiry of exceptions; today by default.

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
        """Check all planned resources, changed or not.

        Args:
            document: output of `terraform show -json`.
            stack: directory of the root module, to report files and lines and to honour skip comments.

        Raises:
            ToolkitError: the scan failed.
        """
        planned = PlanSources(document, stack, self._sources) if stack else None
        scan = self._scanner.plan(plan_document.resolve_references(document))
        return self._evaluate(scan, lambda raw: planned.block(raw.resource) if planned else None)

    def check_directory(self, directory: Path) -> Report:
        """Check source code, as far as its values are known without a plan.

        Raises:
            InputError: there is no Terraform code.
            ToolkitError: the scan failed.
        """
        files = list(directory.rglob("*.tf"))
        if not files:
            raise InputError("no Terraform code in this directory", where=str(directory))
        for path in files:
            # Skip .terraform/, which contains downloaded modules.
            if not any(part.startswith(".") for part in path.relative_to(directory).parts):
                self._sources.file(path.resolve())
        return self._evaluate(self._scanner.directory(directory), lambda raw: Block(raw.file, *raw.lines))

    def _evaluate(self, scan: Scan, locate: Locate) -> Report:
        rulebook = Rulebook(scan.rules, *rules.read_builtin(self._project))
        evaluator = Evaluator(rulebook, self._settings, self._today, self._sources, self._project.relative)
        return evaluator.report(scan, locate)
