"""The result of a smoke test for programs, CI systems and pull requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from toolkit.gate.junit import clean
from toolkit.report import html, units
from toolkit.report.markdown import Section, compose, escape
from toolkit.report.tables import Table
from toolkit.smoke.results import Check, summary

_MARKS = {"passed": "✅", "failed": "❌", "not run": "⏭️"}
# A comment has a limit; the section below has all checks, as far as they fit.
_MOST_FAILURES, _LONGEST_LINE = 20, 500


def as_json(checks: Sequence[Check]) -> str:
    """A list of the checks."""
    return json.dumps([check.as_data() for check in checks], indent=2, ensure_ascii=False)


def as_markdown(env: str, checks: Sequence[Check]) -> str:
    """A comment on a pull request: failures with their causes, then all checks, collapsed.

    Args:
        env: the environment.
        checks: its checks.
    """
    head = [f"<!-- toolkit smoke-test: {env} -->", f"### Smoke test of `{env}`: {summary(checks)}", ""]
    failed = [check for check in checks if check.ok is False]
    for check in failed[:_MOST_FAILURES]:
        head.append(f"- {_MARKS['failed']} **{escape(f'{check.subject}: {check.name}')}**")
        head.append(f"  {_one_line(check.detail)}")
        head += [f"  - cause: {_one_line(check.cause)}"] if check.cause else []
        head += [f"  - next: `{check.command}`"] if check.command else []
    if len(failed) > _MOST_FAILURES:
        head.append(f"- and {len(failed) - _MOST_FAILURES} more")
    rows = [
        (
            _MARKS[check.verdict],
            check.subject,
            check.layer,
            check.name,
            units.UNKNOWN if check.ok is None else units.seconds(check.seconds),
            check.detail,
        )
        for check in checks
    ]
    table = Table(f"all {len(checks)} checks", ("", "model", "layer", "check", "time", ""), rows, texts=6)
    section = Section(table.title, list(table.as_markdown()))
    return compose([*head, ""], [section], "", f"toolkit smoke-test --env {env}")


def as_html(env: str, checks: Sequence[Check], release: str | None = None) -> str:
    """One self-contained page: failures with their causes, then all checks by model.

    Args:
        env: the environment.
        checks: its checks.
        release: its release, in words; None if it is not known.
    """
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.subject, []).append(check)
    return html.page(
        "smoke",
        release=release,
        env=env,
        summary=summary(checks),
        failed=[check for check in checks if check.ok is False],
        groups=[(subject, summary(group), group) for subject, group in groups.items()],
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


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return escape(line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…")
