"""The generated page about policies."""

from __future__ import annotations

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import catalogue
from toolkit.gate import docs
from toolkit.project import Project


@pytest.mark.slow
def test_the_page_is_up_to_date() -> None:
    project = Project(ROOT)
    page = docs.path(project).read_text(encoding="utf-8")
    assert page == docs.text(*catalogue(), project), f"run `{docs.COMMAND}` and commit the result"
