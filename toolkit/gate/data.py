"""A report as JSON."""

from __future__ import annotations

from typing import Any

from toolkit.gate.findings import Finding, Report


def render(report: Report) -> dict[str, Any]:
    """The output of `--json`."""
    return {
        "passed": not report.violations,
        "fail_at": str(report.fail_at),
        "resources": report.resources,
        "findings": [_finding(finding) for finding in report.findings],
        "accepted": [_finding(finding) for finding in report.accepted],
        "notes": list(report.notes),
        "checkov": report.checkov,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule = finding.rule
    return {
        "rule": rule.id,
        "name": rule.name,
        "severity": str(rule.severity),
        "resource": finding.resource,
        "details": list(finding.details),
        "file": finding.file,
        "line": finding.line,
        "reason": rule.reason or None,
        "remedy": rule.remedy,
        "accepted": finding.accepted,
    }
