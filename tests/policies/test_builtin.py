"""policies/builtin.yaml, and replaced built-in rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import catalogue, plan_scan
from toolkit.gate import rules
from toolkit.gate.rules import Severity
from toolkit.project import Project


@pytest.mark.slow
def test_described_and_replaced_rules_exist() -> None:
    project_rules, names = catalogue()
    table, _ = rules.read_builtin(Project(ROOT))
    replaced = {replaced for rule in project_rules for replaced in rule.replaces}
    assert set(table) - names.keys() == set()
    assert replaced - names.keys() == set()
    assert replaced & set(table) == set(), "replaced rules do not run: remove them from policies/builtin.yaml"


def test_every_entry_has_a_remedy() -> None:
    table, default = rules.read_builtin(Project(ROOT))
    assert default is Severity.MEDIUM
    assert all(entry.remedy.endswith(".") for entry in table.values())


@pytest.mark.slow
def test_replaced_rules_do_not_run() -> None:
    replaced = {replaced for rule in plan_scan().rules for replaced in rule.replaces}
    assert replaced
    assert not replaced & {finding.rule for finding in plan_scan().findings}


def test_a_teams_repository_replaces_single_severities(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "builtin.yaml").write_text(
        "rules:\n  CKV_AWS_73: {severity: critical, remedy: Trace requests.}\n"
    )
    toolkits, default = rules.read_builtin(Project(ROOT))
    table, own_default = rules.read_builtin(Project(tmp_path))
    assert str(table["CKV_AWS_73"].severity) == "critical"
    assert {**table, "CKV_AWS_73": toolkits["CKV_AWS_73"]} == toolkits
    assert own_default == default
