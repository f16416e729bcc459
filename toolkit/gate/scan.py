"""checkov as a process of its own, which is ready by the time that there is something to scan."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.errors import ToolkitError
from toolkit.gate import rules
from toolkit.gate.rules import Rule
from toolkit.project import Project

RUNNER = Path(__file__).with_name("checkov_runner.py")
# A scan takes a second; a machine that takes this long is stuck.
DEADLINE_SECONDS = 300.0
NICENESS = 19
# Settings for other ways to use checkov, some of which switch rules off.
_DROPPED = ("BC_", "CHECKOV_", "CKV_", "EVAL_TF_", "LOG_LEVEL", "PRISMA_", "TF_")


@dataclass(frozen=True)
class RawFinding:
    """What checkov found.

    Attributes:
        rule: the rule's id.
        name: what checkov calls the rule.
        resource: the resource's address.
        details: what exactly is wrong, as far as the rule says.
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
    """What came out of a scan.

    Attributes:
        checkov: its version.
        rules: the project's rules.
        findings: what failed.
        passed: which resource passed which of them: rule's id and resource's address.
        unreadable: files that were not scanned.
        resources: how many resources were.
        problems: what went wrong with rules: the rule's id, if it is known, and checkov's words.
    """

    checkov: str
    rules: tuple[Rule, ...]
    findings: tuple[RawFinding, ...]
    passed: tuple[tuple[str, str], ...]
    unreadable: tuple[Path, ...]
    resources: int
    problems: tuple[tuple[str | None, str], ...]


class Scanner:
    """A checkov process, for one scan.

    Args:
        project: whose rules are applied.
        console: where an installation shows its progress.

    Raises:
        PreflightError: checkov could not be installed.
    """

    def __init__(self, project: Project, console: Console) -> None:
        environment = tool_venvs.ensure(project, "checkov", console)
        self._process = subprocess.Popen(
            # Isolated: neither PYTHONPATH nor a file beside the script may stand in for checkov's modules.
            [environment.python, "-I", RUNNER, rules.directory(project)],
            env={name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)},
            # Nothing of the user's directory is read.
            cwd=environment.path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        # It has time while Terraform plans, which is what everybody waits for.
        os.setpriority(os.PRIO_PROCESS, self._process.pid, NICENESS)

    def plan(self, document: Mapping[str, Any]) -> Scan:
        """Scan a plan.

        Args:
            document: what `terraform show -json` says of it.

        Raises:
            ToolkitError: checkov failed.
        """
        return _read(self._ask({"plan": document}))

    def directory(self, path: Path) -> Scan:
        """Scan Terraform's source code in a folder and the folders in it.

        Raises:
            ToolkitError: checkov failed.
        """
        return _read(self._ask({"directory": str(path.resolve())}))

    def catalogue(self) -> tuple[tuple[Rule, ...], dict[str, str]]:
        """The project's rules, and the names of all rules by their ids.

        Raises:
            ToolkitError: checkov failed.
        """
        answer = self._ask({})
        return tuple(map(Rule.of, answer["rules"])), dict(answer["names"])

    def close(self) -> None:
        """End the process, if nothing was scanned."""
        if self._process.poll() is None:
            # It would end by itself, but only when it has imported checkov.
            self._process.kill()
        # Reads what is left and closes the pipes.
        self._process.communicate()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer, said = self._process.communicate(json.dumps(request) + "\n", timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.close()
            raise ToolkitError(f"the policy scan took longer than {DEADLINE_SECONDS:.0f} s") from None
        if self._process.returncode != 0 or not answer:
            raise ToolkitError(
                "the policy scanner failed",
                details=said.strip().splitlines()[-8:],
                remedy="nothing was judged; if it is not a rule in policies/checkov, please report it",
            )
        return dict(json.loads(answer))


def _read(answer: Mapping[str, Any]) -> Scan:
    return Scan(
        checkov=answer["checkov"],
        rules=tuple(map(Rule.of, answer["rules"])),
        findings=tuple(
            RawFinding(
                rule=each["rule"],
                name=each["name"],
                resource=each["resource"],
                details=tuple(each["details"]),
                file=Path(each["file"]),
                lines=(each["lines"][0], each["lines"][1]),
            )
            for each in answer["findings"]
        ),
        passed=tuple((rule, resource) for rule, resource in answer["passed"]),
        unreadable=tuple(map(Path, answer["unreadable"])),
        resources=answer["resources"],
        problems=tuple((each["rule"], each["message"]) for each in answer["problems"]),
    )
