"""Plans of a table of environments, rendered by the toolkit, against the expected plans in `expected/`."""

from __future__ import annotations

import pytest

from tests.support import expectations
from tests.support.environments import NAMES, table
from tests.support.terraform import Planned, Rig
from tests.tools import expected_plans
from toolkit.deployment.recovery.registry import Address
from toolkit.environment import load
from toolkit.environment.gateway_variables import gateway_variables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def planned(rig: Rig, packages: dict[str, str]) -> Planned:
    """The plan of all environments."""
    expectations.ensure_role(rig)
    return expectations.planned(rig, table(), packages)


@pytest.fixture(scope="module")
def plans(planned: Planned) -> dict[str, expectations.Digest]:
    """A digest of each environment's plan."""
    return expectations.digests(planned)


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_is_as_expected(plans: dict[str, expectations.Digest], name: str) -> None:
    planned = plans[name]
    expected = expectations.expected(name)
    command = expected_plans.command(name)
    assert set(planned) == set(expected), f"the models differ; if that is intended, run {command}"
    for model, resources in planned.items():
        assert resources == expected[model], f"{name}.{model}: if this is intended, run {command}"


@pytest.mark.parametrize("name", NAMES)
def test_validate_measures_the_variables_that_the_gateway_gets(rig: Rig, planned: Planned, name: str) -> None:
    environment = load(rig.project, name)
    gateway = planned.values(f"module.{name}.module.api.aws_lambda_function.gateway[0]")
    (variables,) = gateway["environment"]
    assert variables["variables"] == gateway_variables(
        environment.prefix, environment.models, environment.api
    )


def test_cost_alarms_are_planned_only_where_the_file_has_them(planned: Planned) -> None:
    alarms = {"aws_budgets_budget", "aws_ce_anomaly_monitor", "aws_ce_anomaly_subscription"}
    addresses = [item for item in planned.changes if Address.parse(item).resource_type in alarms]
    assert {address.split(".")[1] for address in addresses} == {"mixed"}
    assert len(addresses) == len(alarms)
    budget = planned.values("module.mixed.module.observability.aws_budgets_budget.this[0]")
    assert budget["limit_amount"] == "4500.5"
    notified = {(item["notification_type"], item["threshold"]) for item in budget["notification"]}
    assert notified == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 90)}
    recipients = [item["subscriber_email_addresses"] for item in budget["notification"]]
    assert recipients == [["a@example.com", "b@example.com"]] * 3


def test_expected_plans_match_the_table() -> None:
    stored = {file.stem for file in expectations.DIRECTORY.glob("*.json")}
    assert stored == set(NAMES) == set(table())
