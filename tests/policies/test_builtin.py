"""The table of checkov's own rules: it is about rules that exist."""

from __future__ import annotations

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import catalogue, plan_scan
from toolkit.gate import rules
from toolkit.gate.rules import Severity
from toolkit.project import Project


@pytest.mark.slow
def test_all_rules_in_the_table_and_all_that_ours_replace_exist() -> None:
    ours, names = catalogue()
    table, _ = rules.read_builtin(Project(ROOT))
    replaced = {each for rule in ours for each in rule.replaces}
    assert set(table) - names.keys() == set()
    assert replaced - names.keys() == set()
    assert replaced & set(table) == set(), "replaced rules do not run, so nobody reads about them"


def test_every_entry_has_a_remedy() -> None:
    table, default = rules.read_builtin(Project(ROOT))
    assert default is Severity.MEDIUM
    assert all(entry.remedy.endswith(".") for entry in table.values())


@pytest.mark.slow
def test_replaced_rules_do_not_run() -> None:
    replaced = {each for rule in plan_scan().rules for each in rule.replaces}
    assert replaced
    assert not replaced & {finding.rule for finding in plan_scan().findings}
