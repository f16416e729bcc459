"""The reference page of the environment file."""

from __future__ import annotations

from pathlib import Path

from toolkit.environment import reference
from toolkit.environment.schema import schema
from toolkit.project import Project


def test_the_committed_page_is_up_to_date(checkout: Path) -> None:
    assert reference.path(Project(checkout)).read_text() == reference.text(), f"run `{reference.COMMAND}`"


def test_the_page_contains_every_key() -> None:
    page = reference.text()
    for definition in (schema(), *schema()["$defs"].values()):
        for key in definition["properties"]:
            assert f"| `{key}` |" in page
