"""Runs checkov in a separate process, which starts up while Terraform plans."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import documents, tool_venvs
from toolkit.console import Console
from toolkit.errors import ToolkitError
from toolkit.gate import rules
from toolkit.gate.rules import Rule
from toolkit.project import Project

RUNNER = Path(__file__).with_name("checkov_runner.py")
# A scan takes about a second.
DEADLINE_SECONDS = 300.0
NICENESS = 5
# Variables that checkov inherits: rules from a checkout are Python code and need no credentials, and
# checkov's variables could disable rules.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "PATH", "TMPDIR", "TZ")


@dataclass(frozen=True)
class RawFinding:
    """A failed check.

    Attributes:
        rule: the rule's id.
        name: the rule's name in checkov.
        resource: the resource's address.
        details: what is wrong, if the rule reports it.
        file: the file that was scanned.
        lines: first and last line of the resource in it; zeros in a plan.
    """

    rule: str
    name: str
    resource: str
    details: tuple[str, ...]
    file: Path
    lines: tuple[int, int]


@dataclass(frozen=True)
class Scan:
    """The result of a scan.

    Attributes:
        checkov: checkov's version.
        rules: the project's rules.
        findings: failed checks.
        passed: passed checks of the project's rules: rule id and resource address.
        unreadable: files that checkov cannot parse.
        resources: number of scanned resources.
        problems: failures of rules: the rule's id, if known, and checkov's message.
    """

    checkov: str
    rules: tuple[Rule, ...]
    findings: tuple[RawFinding, ...]
    passed: tuple[tuple[str, str], ...]
    unreadable: tuple[Path, ...]
    resources: int
    problems: tuple[tuple[str | None, str], ...]


@dataclass(frozen=True)
class _Catalogue:
    rules: tuple[Rule, ...]
    names: dict[str, str]


class Scanner:
    """A checkov process, for one scan.

    Args:
        project: the checkout with the rules.
        console: shows the progress of installing checkov.

    Raises:
        PreflightError: checkov could not be installed.
    """

    def __init__(self, project: Project, console: Console) -> None:
        environment = tool_venvs.ensure(project, "checkov", console)
        self._process = subprocess.Popen(
            # Isolated: neither PYTHONPATH nor a file next to the script may shadow checkov's modules.
            [environment.python, "-I", RUNNER, *rules.directories(project)],
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            # Not the user's directory, whose configuration checkov would read.
            cwd=environment.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        # Terraform takes longer; a higher value would starve checkov next to other work.
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    def plan(self, document: Mapping[str, Any]) -> Scan:
        """Scan a plan.

        Args:
            document: output of `terraform show -json`.

        Raises:
            ToolkitError: checkov failed.
        """
        return documents.read(self._request({"plan": document}), Scan, _unreadable())

    def directory(self, path: Path) -> Scan:
        """Scan the Terraform code in a directory, recursively.

        Raises:
            ToolkitError: checkov failed.
        """
        return documents.read(self._request({"directory": str(path.resolve())}), Scan, _unreadable())

    def catalogue(self) -> tuple[tuple[Rule, ...], dict[str, str]]:
        """The project's rules, and the names of all rules by id.

        Raises:
            ToolkitError: checkov failed.
        """
        catalogue = documents.read(self._request({}), _Catalogue, _unreadable())
        return catalogue.rules, catalogue.names

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            # Without a request it would exit only after importing checkov.
            self._process.kill()
        # Drain and close the pipes.
        self._process.communicate()

    def _request(self, request: Mapping[str, Any]) -> str:
        try:
            response, log = self._process.communicate(json.dumps(request) + "\n", timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.close()
            raise ToolkitError(f"the policy scan timed out after {DEADLINE_SECONDS:.0f} s") from None
        if self._process.returncode != 0 or not response:
            raise ToolkitError(
                "the policy scanner failed",
                details=log.strip().splitlines()[-8:],
                remedy="fix the rule in policies/checkov if it is the cause; otherwise report this as a bug",
            )
        return response


def _unreadable() -> ToolkitError:
    return ToolkitError("cannot read the answer of the policy scanner", remedy="report this as a bug")
