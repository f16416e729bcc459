"""A summary as one page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from pathlib import Path

from toolkit.gate.findings import by_place
from toolkit.report import text
from toolkit.report.summary import Summary

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def render(summary: Summary) -> str:
    """The page; every value in it is escaped by the template engine."""
    import jinja2

    engine = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = engine.from_string(TEMPLATE.read_text(encoding="utf-8"))
    policy = summary.policy
    return template.render(
        summary=summary,
        subject=summary.subject,
        signs=text.SIGNS,
        violations=by_place(policy.violations) if policy else [],
        lesser=by_place(policy.lesser) if policy else [],
    )
