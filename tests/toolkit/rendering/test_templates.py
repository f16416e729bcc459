"""Templates in which escaping cannot be forgotten."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from toolkit.rendering.templates import TEMPLATES, render_text

ATTACK = 'x" }\nevil = "${file("/etc/passwd")}'


@pytest.mark.parametrize(
    "template",
    [
        "{{ value }}",
        "{{ value | safe }}",
        "{{ value ~ '' }}",
        "{{ value | replace('nothing', '') }}",
        "{% set copy = value %}{{ copy }}",
        "{% for item in [value] %}{{ item }}{% endfor %}",
        "{% macro show(x) %}{{ x }}{% endmacro %}{% set y = value %}{{ y }}",
    ],
)
def test_any_template_expression_gives_one_literal(template: str) -> None:
    assert render_text(template, {"value": ATTACK}) == r'"x\" }\nevil = \"\u0024{file(\"/etc/passwd\")}"'


def test_constants_in_templates_are_literals_too() -> None:
    assert render_text("{{ 'a' }} {{ 1 }} {{ none }} {{ [true] }}", {}) == '"a" 1 null [true]'


def test_an_undefined_variable_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'nmae' is undefined"):
        render_text("name = {{ nmae }}", {"name": "x"})


def test_a_value_without_a_literal_is_an_error() -> None:
    with pytest.raises(TypeError, match="object"):
        render_text("{{ value }}", {"value": object()})


def test_no_template_disables_escaping() -> None:
    for path in TEMPLATES.glob("*.tf*.jinja"):
        assert "{% raw" not in path.read_text()
        assert "{% autoescape" not in path.read_text()
