"""The result of a smoke test for programs, CI systems and pull requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from toolkit.gate.junit import clean
from toolkit.report.markdown import escape
from toolkit.smoke.results import Check, summary

_MARKS = {"passed": "✅", "failed": "❌", "not run": "⏭️"}


def as_json(checks: Sequence[Check]) -> str:
    """A list of the checks."""
    return json.dumps([check.as_data() for check in checks], indent=2, ensure_ascii=False)


def as_markdown(env: str, checks: Sequence[Check]) -> str:
    """A comment on a pull request: failures with their causes, then all checks, collapsed.

    Args:
        env: the environment.
        checks: its checks.
    """
    lines = [f"<!-- toolkit smoke-test: {env} -->", f"### Smoke test of `{env}`: {summary(checks)}", ""]
    for check in checks:
        if check.ok is False:
            lines.append(f"- {_MARKS['failed']} **{escape(f'{check.subject}: {check.name}')}**")
            lines.append(f"  {escape(_one_line(check.detail))}")
            lines += [f"  - cause: {escape(_one_line(check.cause))}"] if check.cause else []
            lines += [f"  - next: `{check.command}`"] if check.command else []
    table = ["", "| | model | layer | check | seconds | |", "|---|---|---|---|---|---|"]
    for check in checks:
        cells = [
            _MARKS[check.verdict],
            check.subject,
            check.layer,
            check.name,
            f"{check.seconds:.2f}",
            _one_line(check.detail),
        ]
        table.append(f"| {' | '.join(map(escape, cells))} |")
    return "\n".join(
        [
            *lines,
            "",
            "<details>",
            f"<summary>all {len(checks)} checks</summary>",
            *table,
            "",
            "</details>",
            "",
        ]
    )


def as_junit(env: str, checks: Sequence[Check]) -> str:
    """JUnit XML, which CI systems display as test results.

    Args:
        env: the environment.
        checks: its checks.
    """
    suite = ET.Element("testsuite", name=f"toolkit smoke-test {env}")
    for check in checks:
        case = ET.SubElement(
            suite,
            "testcase",
            classname=clean(f"{env}.{check.subject}"),
            name=clean(check.name),
            time=f"{check.seconds:.3f}",
        )
        if check.ok is None:
            ET.SubElement(case, "skipped", message=clean(check.detail))
        elif check.ok:
            ET.SubElement(case, "system-out").text = clean(check.detail)
        else:
            failure = ET.SubElement(case, "failure", type=check.layer, message=clean(check.detail))
            failure.text = clean(check.line())
    verdicts = [check.verdict for check in checks]
    counts = {"tests": len(checks), "failures": verdicts.count("failed"), "errors": 0}
    for name, count in {**counts, "skipped": verdicts.count("not run")}.items():
        suite.set(name, str(count))
    suite.set("time", f"{sum(check.seconds for check in checks):.3f}")
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
