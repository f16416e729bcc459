"""The gate's findings and report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from toolkit.errors import PolicyViolationError
from toolkit.gate.rules import Rule, Severity


@dataclass(frozen=True)
class Finding:
    """A resource that violates a rule.

    Attributes:
        rule: the rule.
        resource: the resource's address in Terraform; for the gate's own rules, their subject.
        details: what is wrong, without values that could be secret.
        file: the resource's file, relative to the project; None if unknown.
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
        """The rule's severity."""
        return self.rule.severity

    @property
    def where(self) -> str:
        """File and line, or the address if they are unknown."""
        if self.file is None:
            return self.resource
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Report:
    """The result of a policy check.

    Attributes:
        findings: findings that are not accepted, most severe first.
        accepted: findings accepted by an exception or a skip comment.
        passed: passed checks of the project's rules: rule and resource address.
        notes: remarks, such as exceptions that match no finding.
        fail_at: lowest severity of a violation.
        resources: number of checked resources.
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
        """Findings that fail the check."""
        return tuple(finding for finding in self.findings if finding.severity >= self.fail_at)

    @property
    def lesser(self) -> tuple[Finding, ...]:
        """Findings below `fail_at`."""
        return tuple(finding for finding in self.findings if finding.severity < self.fail_at)

    def summary(self) -> str:
        """Counts in one line."""
        return (
            f"{_count(self.resources, 'resource')} checked: {_count(len(self.violations), 'violation')}, "
            f"{_count(len(self.lesser), 'finding')} below {self.fail_at}, {len(self.accepted)} accepted"
        )

    def raise_for_violations(self) -> None:
        """Raise if there are violations.

        Raises:
            PolicyViolationError: there is at least one violation.
        """
        if not self.violations:
            return
        rules = sorted({finding.rule.id for finding in self.violations})
        raise PolicyViolationError(
            f"policy check failed: {_count(len(self.violations), 'violation')} of {', '.join(rules)}",
            remedy="fix the findings above, or add an exception with a reason and an expiry date",
        )


def by_location(findings: tuple[Finding, ...]) -> list[list[Finding]]:
    """Group findings of one rule at one location, such as the instances of a block; most severe first."""

    def location(finding: Finding) -> tuple[int, str, int, str, str]:
        position = (finding.file or finding.resource, finding.line or 0)
        return (-finding.severity, *position, finding.rule.id, finding.accepted or "")

    return [list(group) for _, group in groupby(sorted(findings, key=location), key=location)]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
