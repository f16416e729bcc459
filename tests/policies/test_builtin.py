"""The table of checkov's own rules: it is about rules that exist."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.checkout import ROOT
from tests.support.policy import plan_scan, quiet
from toolkit import toolenvs
from toolkit.policy import rules
from toolkit.policy.severity import Severity
from toolkit.project import Project

LIST_RULES = """
import json, logging
from checkov.terraform import plan_runner
from checkov.common.checks.base_check_registry import BaseCheckRegistry
from checkov.common.checks_infra.registry import get_graph_checks_registry
graph = get_graph_checks_registry("terraform")
graph.load_checks()
print(json.dumps([c.id for c in (*BaseCheckRegistry.get_all_registered_checks(), *graph.checks)]))
"""


@pytest.mark.slow
def test_all_rules_in_the_table_and_all_that_ours_replace_exist() -> None:
    python = toolenvs.ensure(Project(ROOT), "checkov", quiet()).python
    listed = subprocess.run([python, "-I", "-c", LIST_RULES], check=True, capture_output=True, text=True)
    existing = set(json.loads(listed.stdout))
    table, _ = rules.read_builtin(Project(ROOT))
    replaced = {each for rule in plan_scan().rules for each in rule.replaces}
    assert set(table) - existing == set()
    assert replaced - existing == set()
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
