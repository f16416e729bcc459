"""The gate receives the environment file's policy settings, with their lines."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import quiet
from toolkit.deployment.context import Context
from toolkit.deployment.plans import review
from toolkit.environment import load
from toolkit.errors import InputError
from toolkit.gate import GateSettings, PolicyException, Severity
from toolkit.project import Project

POLICY = """
policy:
  fail_at: medium
  exceptions:
    - rule: CKV_LLM_9
      resource: module.api.*
      reason: the account has no logging role yet
      expires: 2027-06-30
"""


def settings(tmp_path: Path, further: str) -> tuple[GateSettings, int]:
    file = tmp_path / "terraform" / "environments" / "local.yaml"
    file.parent.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "local.yaml").read_text()
    file.write_text(text + further)
    project = Project(tmp_path)
    context = Context(project, load(project, "local"), None, quiet(), None)  # type: ignore[arg-type]
    return review.gate_settings(context), text.count("\n")


def test_without_a_word_the_gate_forbids_from_high_on(tmp_path: Path) -> None:
    assert settings(tmp_path, "")[0] == GateSettings(Severity.HIGH, ())


def test_exceptions_have_their_place_and_their_last_day(tmp_path: Path) -> None:
    gate_settings, lines = settings(tmp_path, POLICY)
    assert gate_settings.fail_at is Severity.MEDIUM
    assert list(gate_settings.exceptions) == [
        PolicyException(
            rule="CKV_LLM_9",
            resource="module.api.*",
            reason="the account has no logging role yet",
            expires=date(2027, 6, 30),
            file="terraform/environments/local.yaml",
            line=lines + 5,
        )
    ]


@pytest.mark.parametrize("name", ["fix.json", "release-1.2", "README"])
def test_a_report_replaces_no_other_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "README.md").touch()
    with pytest.raises(InputError, match=f"cannot save a plan as {name}"):
        review.check_path(tmp_path / name)


def test_a_saved_plan_and_its_reports_are_replaced(tmp_path: Path) -> None:
    for name in ("revert", "revert.md"):
        (tmp_path / name).touch()
    review.check_path(tmp_path / "revert")
