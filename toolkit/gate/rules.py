"""Rules and their severity: the project's describe themselves, policies/builtin.yaml describes checkov's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from toolkit import documents
from toolkit.environment.document import parse as parse_yaml
from toolkit.environment.problems import EnvironmentFileError
from toolkit.errors import InputError
from toolkit.project import Project

RULES = Path("policies") / "checkov"
BUILTIN = Path("policies") / "builtin.yaml"


class Severity(IntEnum):
    """Severity of a finding; comparable, written in lower case."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> Severity:
        """Parse a severity, ignoring case.

        Raises:
            InputError: `text` is not a severity.
        """
        try:
            return cls[text.upper()]
        except KeyError:
            raise InputError(
                f"{text!r} is not a severity", remedy=f"choose one of {', '.join(map(str, cls))}"
            ) from None


def _by_name(text: object) -> Severity:
    try:
        return Severity.parse(str(text))
    except InputError as error:
        raise ValueError(error.message) from None


SeverityName = Annotated[Severity, BeforeValidator(_by_name)]


@dataclass(frozen=True)
class Rule:
    """A policy rule.

    Attributes:
        id: "CKV_LLM_1".
        name: what it requires, in one sentence.
        severity: severity of its findings.
        reason: the risk; empty for checkov's built-in rules.
        remedy: how to fix a finding.
        resources: resource types it checks; empty for checkov's built-in rules.
        replaces: ids of checkov's built-in rules that it replaces.
        file: its file; None for checkov's built-in rules and the gate's.
    """

    id: str
    name: str
    severity: SeverityName
    reason: str
    remedy: str
    resources: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    file: Path | None = None


EXPIRED_EXCEPTION = Rule(
    id="GATE_1",
    name="Exceptions are renewed or removed before they expire",
    severity=Severity.MEDIUM,
    reason="The agreed review of the accepted finding is overdue.",
    remedy="Fix the finding and remove the exception, or renew its date and reason.",
)
UNREADABLE_FILE = Rule(
    id="GATE_2",
    name="The policy scanner can parse every file",
    severity=Severity.HIGH,
    reason="Nothing in the file was checked.",
    remedy="Fix the file; `terraform validate` reports its errors.",
)
GATE_RULES = (EXPIRED_EXCEPTION, UNREADABLE_FILE)


@dataclass(frozen=True)
class Builtin:
    """Severity and remedy of one of checkov's built-in rules."""

    severity: SeverityName
    remedy: str


@dataclass(frozen=True)
class _BuiltinRules:
    default: SeverityName | None = None
    rules: dict[str, Builtin] = field(default_factory=dict)


class Rulebook:
    """All rules, by id.

    Args:
        project_rules: the rules in policies/checkov.
        builtin: checkov's built-in rules that policies/builtin.yaml describes.
        default: severity of checkov's other rules.
    """

    def __init__(
        self, project_rules: Iterable[Rule], builtin: Mapping[str, Builtin], default: Severity
    ) -> None:
        self._own = {rule.id: rule for rule in (*project_rules, *GATE_RULES)}
        self._builtin = builtin
        self._default = default

    def rule(self, rule_id: str, name: str) -> Rule:
        """Look up a rule.

        Args:
            rule_id: its id.
            name: checkov's name for it, used for built-in rules.
        """
        if rule_id in self._own:
            return self._own[rule_id]
        builtin = self._builtin.get(rule_id, Builtin(self._default, "Do what the rule's name says."))
        return Rule(rule_id, name, builtin.severity, "", builtin.remedy)

    def is_builtin(self, rule_id: str) -> bool:
        """Whether a rule is built into checkov."""
        return rule_id.startswith(("CKV_", "CKV2_")) and rule_id not in self._own


def directories(project: Project) -> list[Path]:
    """The directories of rules: the toolkit's, then the project's own, if it has any."""
    own = project.root / RULES
    return [project.code / RULES, *([own] if own.is_dir() and not project.is_clone else [])]


def read_builtin(project: Project) -> tuple[dict[str, Builtin], Severity]:
    """Read policies/builtin.yaml: checkov's described rules, and the severity of all others.

    That of a team's repository replaces single severities of the toolkit's.

    Raises:
        InputError: it is damaged.
    """
    builtin = _read(project, project.code / BUILTIN)
    own = project.root / BUILTIN
    if own.is_file() and not project.is_clone:
        overrides = _read(project, own)
        return {**builtin.rules, **overrides.rules}, overrides.default or builtin.default or Severity.MEDIUM
    return builtin.rules, builtin.default or Severity.MEDIUM


def _read(project: Project, file: Path) -> _BuiltinRules:
    source = parse_yaml(file.read_text(encoding="utf-8"))
    where = project.relative(file)
    if source.problems:
        raise EnvironmentFileError(where, source.problems)
    error = InputError(
        "cannot read the severities of checkov's rules", where=where, remedy="correct the file"
    )
    return documents.read(json.dumps(source.data), _BuiltinRules, error)
