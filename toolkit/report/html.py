"""Self-contained HTML pages of one look, without scripts or external resources."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.gate.findings import by_location
from toolkit.report import text, units
from toolkit.report.summary import Summary

if TYPE_CHECKING:
    from markupsafe import Markup

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


def page(name: str, *, release: str | None = None, **values: Any) -> str:
    """Render the report `name`.html.jinja, with its date; see `render_page`.

    Args:
        name: the report.
        release: the release that it describes, in words; None if it is not known.
        values: values for the template.
    """
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    file = FOLDER / f"{name}.html.jinja"
    return render_page(file, signs=text.SIGNS, created=created, release=release, **values)


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
    templates.filters |= {"digest": _digest, "seconds": units.seconds, "breakable": _breakable}
    return templates.get_template(template.name).render(**values)


def _breakable(path: str) -> Markup:
    """A path that is broken between its words, not in them."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"(?<=[._])(?=[^._])", "<wbr>", str(escape(path))))  # noqa: S704 - escaped


def _digest(content: str) -> str:
    """A source of a Content-Security-Policy: the digest of an element's content."""
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
