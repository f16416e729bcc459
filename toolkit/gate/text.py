"""A report as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.gate.findings import Finding, Report, by_location
from toolkit.gate.rules import Severity


def render(report: Report, rest: str = "pass --fail-at low to list them") -> str:
    """Render violations in full, other findings in a line each, notes and a summary.

    Args:
        report: the report.
        rest: how to list the findings of severity low, which are only counted.
    """
    return "\n".join(_lines(report, rest))


def _lines(report: Report, rest: str) -> Iterator[str]:
    for group in by_location(report.violations):
        yield from _in_full(group)
        yield ""
    if report.lesser:
        yield from _lesser(report, rest)
        yield ""
    if report.notes:
        yield from (f"note: {note}" for note in report.notes)
        yield ""
    yield report.summary()


def _in_full(group: list[Finding]) -> Iterator[str]:
    rule = group[0].rule
    yield _headline(group)
    for finding in group:
        yield f"    {finding.resource}"
        yield from (f"      {detail}" for detail in finding.details)
    if rule.reason:
        yield f"    why: {rule.reason}"
    yield f"    → {rule.remedy}"


def _lesser(report: Report, rest: str) -> Iterator[str]:
    yield f"Below {report.fail_at}:"
    shown = tuple(finding for finding in report.lesser if finding.severity > Severity.LOW)
    yield from (f"  {_headline(group)}" for group in by_location(shown))
    if low := len(report.lesser) - len(shown):
        yield f"  {low} finding{'' if low == 1 else 's'} of severity low: {rest}"


def _headline(group: list[Finding]) -> str:
    rule = group[0].rule
    return f"{group[0].where}: {rule.severity} {rule.id} {rule.name}"
