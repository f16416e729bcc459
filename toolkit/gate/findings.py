"""What the gate found."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from toolkit.errors import PolicyViolationError
from toolkit.gate.rules import Rule, Severity


@dataclass(frozen=True)
class Finding:
    """A rule that a resource breaks.

    Attributes:
        rule: the rule.
        resource: the resource's address in Terraform; of the gate's own rules, what they are about.
        details: what exactly is wrong; never a value that could be secret.
        file: file of the resource, as the user would write it; None if it is not known.
        line: line in the file.
        accepted: why it is accepted; None if it is not.
    """

    rule: Rule
    resource: str
    details: tuple[str, ...] = ()
    file: str | None = None
    line: int | None = None
    accepted: str | None = None

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return self.rule.severity

    @property
    def where(self) -> str:
        """File and line, or the address where they are not known."""
        if self.file is None:
            return self.resource
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Report:
    """The gate's verdict.

    Attributes:
        findings: what is wrong, the gravest first.
        accepted: what would be, but for an exception.
        passed: which resource passed which of the project's rules: rule and resource's address.
        notes: what the user should know besides, such as exceptions that cover nothing.
        fail_at: findings of this severity and above are violations.
        resources: how many resources were judged.
        rules: the project's rules.
        checkov: version of checkov.
    """

    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    passed: tuple[tuple[Rule, str], ...]
    notes: tuple[str, ...]
    fail_at: Severity
    resources: int
    rules: tuple[Rule, ...]
    checkov: str

    @property
    def violations(self) -> tuple[Finding, ...]:
        """The findings that forbid to go on."""
        return tuple(finding for finding in self.findings if finding.severity >= self.fail_at)

    @property
    def lesser(self) -> tuple[Finding, ...]:
        """The findings that do not."""
        return tuple(finding for finding in self.findings if finding.severity < self.fail_at)

    def summary(self) -> str:
        """One line."""
        return (
            f"{_count(self.resources, 'resource')} judged: {_count(len(self.violations), 'violation')}, "
            f"{_count(len(self.lesser), 'finding')} below {self.fail_at}, {len(self.accepted)} accepted"
        )

    def raise_for_violations(self) -> None:
        """Return if there are none.

        Raises:
            PolicyViolationError: there are.
        """
        if not self.violations:
            return
        rules = sorted({finding.rule.id for finding in self.violations})
        raise PolicyViolationError(
            f"policies forbid this: {_count(len(self.violations), 'violation')} of {', '.join(rules)}",
            remedy="mend what is listed above, or accept it for a while by an exception with a reason",
        )


def by_location(findings: tuple[Finding, ...]) -> list[list[Finding]]:
    """Findings of one rule at one place together: the instances of one block, the gravest first."""

    def place(finding: Finding) -> tuple[int, str, int, str, str]:
        where = (finding.file or finding.resource, finding.line or 0)
        return (-finding.severity, *where, finding.rule.id, finding.accepted or "")

    return [list(group) for _, group in groupby(sorted(findings, key=place), key=place)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
