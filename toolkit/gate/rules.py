"""What is known about rules: ours say everything themselves, about checkov's there is a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from toolkit.errors import InputError
from toolkit.project import Project


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


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        id: "CKV_LLM_1".
        name: what it wants, in one sentence.
        severity: how grave a finding is.
        reason: what happens otherwise; empty for checkov's own rules.
        remedy: what to do.
        resources: types of resources it judges; empty for checkov's own rules.
        replaces: ids of checkov's own rules that are not run because of it.
        file: where it is written; None for checkov's own and the gate's.
    """

    id: str
    name: str
    severity: Severity
    reason: str
    remedy: str
    resources: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    file: Path | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Rule:
        """A rule as checkov_runner.py describes it."""
        return cls(
            id=described["id"],
            name=described["name"],
            severity=Severity.parse(described["severity"]),
            reason=described["reason"],
            remedy=described["remedy"],
            resources=tuple(described["resources"]),
            replaces=tuple(described["replaces"]),
            file=Path(described["file"]),
        )


EXPIRED_EXCEPTION = Rule(
    id="GATE_1",
    name="An exception is renewed or removed before it expires",
    severity=Severity.MEDIUM,
    reason="Nobody has looked for as long as was agreed whether the finding is still acceptable.",
    remedy="Mend the finding and remove the exception, or give it a new date and reason.",
)
UNREADABLE_FILE = Rule(
    id="GATE_2",
    name="Every file can be read by the policy scanner",
    severity=Severity.HIGH,
    reason="Nothing in the file was judged.",
    remedy="Mend the file; `terraform validate` says what is wrong with it.",
)
GATE_RULES = (EXPIRED_EXCEPTION, UNREADABLE_FILE)


@dataclass(frozen=True)
class Builtin:
    """What the project says about one of checkov's own rules."""

    severity: Severity
    remedy: str


class Rulebook:
    """All rules, by id.

    Args:
        ours: the rules in policies/checkov.
        builtin: what is said about checkov's own.
        default: severity of those that nothing is said about.
    """

    def __init__(self, ours: Iterable[Rule], builtin: Mapping[str, Builtin], default: Severity) -> None:
        self._ours = {rule.id: rule for rule in (*ours, *GATE_RULES)}
        self._builtin = builtin
        self._default = default

    def rule(self, rule_id: str, name: str) -> Rule:
        """The rule of a finding.

        Args:
            rule_id: its id.
            name: what checkov calls it, for its own rules.
        """
        if rule_id in self._ours:
            return self._ours[rule_id]
        known = self._builtin.get(rule_id, Builtin(self._default, "Do what the rule's name says."))
        return Rule(rule_id, name, known.severity, "", known.remedy)

    def is_builtin(self, rule_id: str) -> bool:
        """Whether a rule is one of checkov's own."""
        return rule_id.startswith(("CKV_", "CKV2_")) and rule_id not in self._ours


def directory(project: Project) -> Path:
    """The folder of the project's rules."""
    return project.root / "policies" / "checkov"


def read_builtin(project: Project) -> tuple[dict[str, Builtin], Severity]:
    """The table of checkov's own rules, and the severity of all others."""
    from ruamel.yaml import YAML

    content = YAML(typ="safe").load(project.root / "policies" / "builtin.yaml")
    table = {
        rule_id: Builtin(Severity.parse(entry["severity"]), entry["remedy"])
        for rule_id, entry in content["rules"].items()
    }
    return table, Severity.parse(content["default"])
