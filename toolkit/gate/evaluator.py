"""Turns a scan into a report: adds severities and locations, applies exceptions and skip comments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.gate.findings import Finding, Report
from toolkit.gate.rules import EXPIRED_EXCEPTION, GATE_RULES, UNREADABLE_FILE, Rule, Rulebook, Severity
from toolkit.gate.scan import RawFinding, Scan
from toolkit.gate.settings import GateSettings, PolicyException
from toolkit.gate.sources import Block, Sources

Locate = Callable[[RawFinding], Block | None]


@dataclass
class Evaluator:
    """Evaluates one scan.

    Attributes:
        rulebook: the rules.
        settings: threshold and exceptions.
        today: date for the expiry of exceptions.
        sources: the Terraform files.
        relative: makes a path relative to the project.
    """

    rulebook: Rulebook
    settings: GateSettings
    today: date
    sources: Sources
    relative: Callable[[Path], str]
    _notes: list[str] = field(default_factory=list, init=False)

    def report(self, scan: Scan, locate: Locate) -> Report:
        """Evaluate a scan.

        Args:
            scan: the scan.
            locate: returns the block that a finding is about.

        Raises:
            ToolkitError: a rule of the project does not work.
        """
        self._check_rules(scan)
        findings = [self._finding(raw, locate(raw)) for raw in scan.findings]
        findings += map(self._unreadable, scan.unreadable)
        findings += self._expired(findings)
        self._note_unused_exceptions(findings)
        self._note_stray_comments()
        findings.sort(key=_order)
        rules = {rule.id: rule for rule in scan.rules}
        return Report(
            findings=tuple(finding for finding in findings if finding.accepted is None),
            accepted=tuple(finding for finding in findings if finding.accepted is not None),
            passed=tuple((rules[rule_id], resource) for rule_id, resource in scan.passed),
            notes=tuple(dict.fromkeys(self._notes)),
            fail_at=self.settings.fail_at,
            resources=scan.resources,
            rules=(*scan.rules, *GATE_RULES),
            checkov=scan.checkov,
        )

    def _check_rules(self, scan: Scan) -> None:
        """Note failures of checkov's rules; fail if a rule of the project does not work."""
        theirs = [message for rule, message in scan.problems if rule and self.rulebook.is_builtin(rule)]
        ours = [message for rule, message in scan.problems if not (rule and self.rulebook.is_builtin(rule))]
        self._notes += theirs
        if ours:
            raise ToolkitError(
                "cannot check policies: rules in policies/checkov do not work",
                details=ours,
                remedy="correct them, then run `toolkit policy check`",
            )

    def _finding(self, raw: RawFinding, block: Block | None) -> Finding:
        rule = self.rulebook.rule(raw.rule, raw.name)
        finding = Finding(rule, raw.resource, raw.details)
        if block:
            finding = dataclasses.replace(finding, file=self.relative(block.file), line=block.line)
        accepted = (self._comment(rule, block) if block else None) or self._exception(finding)
        return dataclasses.replace(finding, accepted=accepted)

    def _comment(self, rule: Rule, block: Block) -> str | None:
        """The reason that a skip comment in a block gives for a rule."""
        for comment in self.sources.comments(block):
            if rule.id in comment.rules:
                if comment.reason:
                    return comment.reason
                location = f"{self.relative(block.file)}:{comment.line}"
                self._notes.append(f"{location}: checkov:skip={rule.id} is ignored: it has no reason")
        return None

    def _exception(self, finding: Finding) -> str | None:
        for exception in self.settings.exceptions:
            if not self._has_expired(exception) and exception.covers(finding.rule.id, finding.resource):
                return f"{exception.reason} (until {exception.expires})"
        return None

    def _has_expired(self, exception: PolicyException) -> bool:
        return exception.expires < self.today

    def _expired(self, findings: Sequence[Finding]) -> Iterator[Finding]:
        for exception in filter(self._has_expired, self.settings.exceptions):
            covered = list(_covered(exception, findings))
            # As severe as the findings that it covered.
            severity = max((finding.severity for finding in covered), default=Severity.LOW)
            yield Finding(
                dataclasses.replace(EXPIRED_EXCEPTION, severity=severity),
                exception.resource,
                (f"{exception.rule} was accepted until {exception.expires}: {exception.reason}",),
                exception.file,
                exception.line,
            )

    def _note_unused_exceptions(self, findings: Sequence[Finding]) -> None:
        for exception in self.settings.exceptions:
            if not self._has_expired(exception) and not any(_covered(exception, findings)):
                location = f"{exception.file}:{exception.line}: " if exception.file else ""
                self._notes.append(
                    f"{location}the exception for {exception.rule} on {exception.resource} matches no finding"
                )

    def _note_stray_comments(self) -> None:
        for path, comment in self.sources.stray_comments():
            self._notes.append(
                f"{self.relative(path)}:{comment.line}: checkov:skip is ignored: it is outside of a block"
            )

    def _unreadable(self, path: Path) -> Finding:
        return Finding(UNREADABLE_FILE, self.relative(path), file=self.relative(path))


def _order(finding: Finding) -> tuple[int, str, int, str, str]:
    location = (finding.file or "", finding.line or 0)
    return (-finding.severity, *location, finding.rule.id, finding.resource)


def _covered(exception: PolicyException, findings: Sequence[Finding]) -> Iterator[Finding]:
    return (finding for finding in findings if exception.covers(finding.rule.id, finding.resource))
