"""Self-contained HTML pages of one look, without scripts or external resources."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from toolkit.gate.findings import by_location
from toolkit.report import text, units
from toolkit.report.summary import Summary

FOLDER = Path(__file__).parent


def render(summary: Summary) -> str:
    """Render the page of a plan's summary."""
    policy = summary.policy
    return page(
        "plan",
        summary=summary,
        subject=summary.subject,
        violations=by_location(policy.violations) if policy else [],
        lesser=by_location(policy.lesser) if policy else [],
    )


def page(name: str, **values: Any) -> str:
    """Render the report `name`.html.jinja; see `render_page`."""
    return render_page(FOLDER / f"{name}.html.jinja", signs=text.SIGNS, **values)


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
    templates.filters |= {"digest": _digest, "seconds": units.seconds}
    return templates.get_template(template.name).render(**values)


def _digest(content: str) -> str:
    """A source of a Content-Security-Policy: the digest of an element's content."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
