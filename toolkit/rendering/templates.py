"""Jinja templates in which every `{{ value }}` becomes an HCL literal.

Values are escaped by construction: see docs/explanation/adr/0003-escaping-by-construction.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined

from toolkit.rendering.hcl import literal

TEMPLATES = Path(__file__).parent.parent / "templates"


def render_template(name: str, variables: Mapping[str, object]) -> str:
    """Render `toolkit/templates/<name>.jinja`.

    Raises:
        jinja2.UndefinedError: the template uses an undefined variable.
    """
    return _environment().get_template(f"{name}.jinja").render(variables)


def render_text(template: str, variables: Mapping[str, object]) -> str:
    """Render a template text."""
    return _environment().from_string(template).render(variables)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        finalize=_finalize,
        autoescape=False,  # noqa: S701 - it escapes for HTML, `finalize` for HCL
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalize(value: object) -> str:
    if isinstance(value, Undefined):
        str(value)  # raises UndefinedError
    return literal(value)
