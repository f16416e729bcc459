"""A summary as one self-contained HTML page, without scripts or external resources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.gate.findings import by_location
from toolkit.report import text
from toolkit.report.summary import Summary

FOLDER = Path(__file__).parent


def render(summary: Summary) -> str:
    """Render the page of a summary."""
    policy = summary.policy
    return render_page(
        FOLDER / "page.html.jinja",
        summary=summary,
        subject=summary.subject,
        signs=text.SIGNS,
        violations=by_location(policy.violations) if policy else [],
        lesser=by_location(policy.lesser) if policy else [],
    )


def render_page(template: Path, **values: Any) -> str:
    """Render a page, which can include the common theme; the template engine escapes every value."""
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(template.name).render(**values)
