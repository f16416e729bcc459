"""A report as SARIF 2.1.0, which code hosts show next to the changed lines."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from toolkit.gate.findings import Finding, Report
from toolkit.gate.rules import Rule, Severity

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
}
# GitHub sorts by this number, on the CVSS scale.
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}


def render(report: Report, version: str) -> dict[str, Any]:
    """Render a SARIF log; accepted findings are suppressed.

    Args:
        report: the report.
        version: the toolkit's version.
    """
    findings = (*report.findings, *report.accepted)
    rules = {rule.id: rule for rule in (*report.rules, *(finding.rule for finding in findings))}
    order = {rule_id: index for index, rule_id in enumerate(rules)}
    driver = {"name": "toolkit policy check", "version": version, "rules": [*map(_rule, rules.values())]}
    run = {
        "tool": {
            "driver": driver,
            "extensions": [{"name": "checkov", "version": report.checkov}],
        },
        "results": [_result(finding, order[finding.rule.id]) for finding in findings],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.name},
        "fullDescription": {"text": rule.reason or rule.name},
        "help": {"text": rule.remedy},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {"security-severity": _SCORES[rule.severity], "tags": ["security"]},
    }


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    details = f" ({'; '.join(finding.details)})" if finding.details else ""
    text = f"{finding.resource}: {finding.rule.name}{details}. {finding.rule.remedy}"
    identity = f"{finding.rule.id} {finding.resource}"
    result = {
        "ruleId": finding.rule.id,
        "ruleIndex": rule_index,
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(finding)],
        # Identifies the finding across commits, even if its line moves.
        "partialFingerprints": {"resource/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }
    if finding.accepted:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": finding.accepted}
        ]
    return result


def _location(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": finding.resource, "kind": "resource"}]
    }
    if finding.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": quote(finding.file)}}
        if finding.line:
            physical["region"] = {"startLine": finding.line}
        location["physicalLocation"] = physical
    return location
