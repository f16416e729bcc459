"""A report as JUnit XML, which CI systems display as test results."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from toolkit.gate.findings import Finding, Report
from toolkit.gate.rules import Rule

# Characters that XML 1.0 cannot represent.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Render a test suite with a test case per finding and per passed check of the project's rules.

    Violations fail, accepted findings are skipped, findings below the threshold pass with output.
    """
    suite = ET.Element("testsuite", name="toolkit policy check")
    for finding in (*report.findings, *report.accepted):
        _add_finding(suite, finding, violation=finding in report.violations)
    for rule, resource in report.passed:
        _case(suite, rule, resource)
    for name, count in {
        "tests": len(suite),
        "failures": len(report.violations),
        "errors": 0,
        "skipped": len(report.accepted),
    }.items():
        suite.set(name, str(count))
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _add_finding(suite: ET.Element, finding: Finding, *, violation: bool) -> None:
    rule = finding.rule
    case = _case(suite, rule, finding.resource)
    if finding.file:
        case.set("file", clean(finding.file))
        case.set("line", str(finding.line or 1))
    text = "\n".join(filter(None, (finding.where, *finding.details, rule.reason, rule.remedy)))
    if finding.accepted:
        ET.SubElement(case, "skipped", message=clean(finding.accepted))
    elif violation:
        failure = ET.SubElement(case, "failure", type=str(finding.severity), message=clean(rule.name))
        failure.text = clean(text)
    else:
        ET.SubElement(case, "system-out").text = clean(f"{finding.severity}: {rule.name}\n{text}")


def _case(suite: ET.Element, rule: Rule, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=clean(rule.id), name=clean(name), time="0")


def clean(text: str) -> str:
    """Text without the characters that XML cannot represent."""
    return _FORBIDDEN.sub("\ufffd", text)
