"""Turns what checkov found into a verdict: severities, places, exceptions."""

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
class Judge:
    """Judges one scan.

    Attributes:
        book: the rules.
        settings: what the user lets through.
        today: the day on which exceptions are valid or not.
        sources: Terraform's files.
        relative: a path as the user would write it.
    """

    book: Rulebook
    settings: GateSettings
    today: date
    sources: Sources
    relative: Callable[[Path], str]
    _notes: list[str] = field(default_factory=list, init=False)

    def report(self, scan: Scan, locate: Locate) -> Report:
        """The verdict.

        Args:
            scan: what checkov found.
            locate: finds the source code of a finding.

        Raises:
            ToolkitError: a rule of the project did not work, so there is no verdict.
        """
        self._check_rules(scan)
        found = [self._finding(raw, locate(raw)) for raw in scan.findings]
        found += map(self._unreadable, scan.unreadable)
        found += self._expired(found)
        self._note_unused_exceptions(found)
        self._note_stray_comments()
        found.sort(key=_order)
        rules = {rule.id: rule for rule in scan.rules}
        return Report(
            findings=tuple(finding for finding in found if finding.accepted is None),
            accepted=tuple(finding for finding in found if finding.accepted is not None),
            passed=tuple((rules[rule_id], resource) for rule_id, resource in scan.passed),
            notes=tuple(dict.fromkeys(self._notes)),
            fail_at=self.settings.fail_at,
            resources=scan.resources,
            rules=(*scan.rules, *GATE_RULES),
            checkov=scan.checkov,
        )

    def _check_rules(self, scan: Scan) -> None:
        """Note that a rule of checkov's failed; one of ours that judges nothing is no gate."""
        theirs = [words for rule, words in scan.problems if rule and self.book.is_builtin(rule)]
        ours = [words for rule, words in scan.problems if not (rule and self.book.is_builtin(rule))]
        self._notes += theirs
        if ours:
            raise ToolkitError(
                "rules in policies/checkov do not work, so nothing was judged",
                details=ours,
                remedy="mend them; `pytest tests/policies` shows each with a resource that it should fail",
            )

    def _finding(self, raw: RawFinding, block: Block | None) -> Finding:
        rule = self.book.rule(raw.rule, raw.name)
        finding = Finding(rule, raw.resource, raw.details)
        if block:
            finding = dataclasses.replace(finding, file=self.relative(block.file), line=block.line)
        accepted = (self._comment(rule, block) if block else None) or self._exception(finding)
        return dataclasses.replace(finding, accepted=accepted)

    def _comment(self, rule: Rule, block: Block) -> str | None:
        """The reason that a comment in a block gives for not applying a rule."""
        for comment in self.sources.comments(block):
            if rule.id in comment.rules:
                if comment.reason:
                    return comment.reason
                where = f"{self.relative(block.file)}:{comment.line}"
                self._notes.append(f"{where}: checkov:skip={rule.id} does not count without a reason")
        return None

    def _exception(self, finding: Finding) -> str | None:
        for exception in self.settings.exceptions:
            if not self._has_expired(exception) and exception.covers(finding.rule.id, finding.resource):
                return f"{exception.reason} (until {exception.expires})"
        return None

    def _has_expired(self, exception: PolicyException) -> bool:
        return exception.expires < self.today

    def _expired(self, found: Sequence[Finding]) -> Iterator[Finding]:
        for exception in filter(self._has_expired, self.settings.exceptions):
            covered = list(_covered(exception, found))
            # As grave as what it would let through.
            severity = max((finding.severity for finding in covered), default=Severity.LOW)
            yield Finding(
                dataclasses.replace(EXPIRED_EXCEPTION, severity=severity),
                exception.resource,
                (f"{exception.rule} was accepted until {exception.expires}: {exception.reason}",),
                exception.file,
                exception.line,
            )

    def _note_unused_exceptions(self, found: Sequence[Finding]) -> None:
        for exception in self.settings.exceptions:
            if not self._has_expired(exception) and not any(_covered(exception, found)):
                where = f"{exception.file}:{exception.line}: " if exception.file else ""
                self._notes.append(
                    f"{where}the exception for {exception.rule} on {exception.resource} covers nothing"
                )

    def _note_stray_comments(self) -> None:
        for path, comment in self.sources.stray_comments():
            self._notes.append(
                f"{self.relative(path)}:{comment.line}: checkov:skip outside of a block skips nothing"
            )

    def _unreadable(self, path: Path) -> Finding:
        return Finding(UNREADABLE_FILE, self.relative(path), file=self.relative(path))


def _order(finding: Finding) -> tuple[int, str, int, str, str]:
    place = (finding.file or "", finding.line or 0)
    return (-finding.severity, *place, finding.rule.id, finding.resource)


def _covered(exception: PolicyException, found: Sequence[Finding]) -> Iterator[Finding]:
    return (finding for finding in found if exception.covers(finding.rule.id, finding.resource))
