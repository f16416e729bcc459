"""The generated page about permissions."""

from __future__ import annotations

from tests.policies.iam.exceptions import EXCEPTIONS
from tests.support.permission_usage import stored
from tests.tools import permissions as tool
from toolkit import iam


def test_the_page_is_up_to_date() -> None:
    text = tool.PAGE.read_text(encoding="utf-8")
    assert tool.page(text) == text, "run `.venv/bin/python -m tests.tools.permissions --page`"


def test_each_statement_names_its_roles() -> None:
    text = tool.PAGE.read_text(encoding="utf-8")
    for name in iam.NAMES:
        assert f"### {name}\n" in text
        assert stored()[name]
        assert all(commands or f"{name} {sid}" in EXCEPTIONS for sid, commands in stored()[name].items())
