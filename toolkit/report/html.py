"""A summary as one self-contained HTML page, without scripts or external resources."""

from __future__ import annotations

from pathlib import Path

from toolkit.gate.findings import by_location
from toolkit.report import text
from toolkit.report.summary import Summary

TEMPLATE = Path(__file__).with_name("page.html.jinja")


def render(summary: Summary) -> str:
    """Render the page; the template engine escapes every value."""
    import jinja2

    templates = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = templates.from_string(TEMPLATE.read_text(encoding="utf-8"))
    policy = summary.policy
    return template.render(
        summary=summary,
        subject=summary.subject,
        signs=text.SIGNS,
        violations=by_location(policy.violations) if policy else [],
        lesser=by_location(policy.lesser) if policy else [],
    )
