"""Estimates agree with a calculation by hand, and a ceiling is a policy violation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.plans import summary
from toolkit.cost.estimate import HOURS_PER_MONTH, estimate
from toolkit.environment import Environment, load
from toolkit.errors import PolicyViolationError
from toolkit.project import Project
from toolkit.report import cost as cost_report
from toolkit.report import data, html, markdown, text

FILE = """\
target: aws
name: llm
region: {region}
account_id: "123456789012"
models:
  chat:
    serving: {{engine: vllm}}
    source: {{hub: Qwen/Qwen3-8B, allow_unpinned: true}}
    instance_type: ml.g6.2xlarge
    capacity: {{min: 2, max: 5}}
cost: {cost}
"""


def environment(folder: Path, cost: str = "{}", region: str = "us-east-1") -> Environment:
    project = Project(folder)
    project.environments.mkdir(parents=True)
    project.environment_file("priced").write_text(FILE.format(region=region, cost=cost))
    return load(project, "priced")


def test_instances_cost_their_number_times_price_and_hours(tmp_path: Path) -> None:
    result = estimate(environment(tmp_path))
    assert result.per_hour("minimum") == pytest.approx(2 * 1.222)
    assert result.as_data()["per_month"]["maximum"] == pytest.approx(5 * 1.222 * HOURS_PER_MONTH)
    assert "$1,784.12 to $4,460.30 per month" in result.headline()


def test_a_negotiated_price_replaces_the_list_price(tmp_path: Path) -> None:
    result = estimate(environment(tmp_path, "{instance_prices: {ml.g6.2xlarge: 0.5}}"))
    assert result.per_hour("maximum") == 2.5


def test_an_unknown_price_makes_the_sum_a_lower_bound(tmp_path: Path) -> None:
    result = estimate(environment(tmp_path, region="eu-west-1"))
    assert not result.is_complete
    assert "unknown price" in result.items[0].details
    assert result.headline().startswith("at least $0.00")


def test_requests_are_priced_by_the_stated_traffic(tmp_path: Path) -> None:
    traffic = "{requests_per_day: 24000, seconds: 8}"
    result = estimate(environment(tmp_path, f"{{traffic: {{chat: {traffic}}}}}"))
    hours = [item.minimum for item in result.items[1:]]
    # A thousand requests per hour, each 8 s with 512 MB.
    assert hours == pytest.approx([1000 * 3.5e-6, 1000 * 0.2e-6, 1000 * 8 * 0.5 * 0.0000133334])


@pytest.mark.parametrize(
    ("cost", "is_above"),
    [
        ("{ceiling_per_month: 4461}", False),
        ("{ceiling_per_month: 4460}", True),
        ("{ceiling_per_month: 4460, ceiling_capacity: minimum}", False),
        ("{ceiling_per_month: 1784, ceiling_capacity: minimum}", True),
    ],
)
def test_a_ceiling_limits_the_cost_at_its_capacity(tmp_path: Path, cost: str, is_above: bool) -> None:
    result = estimate(environment(tmp_path, cost))
    assert bool(result.violation) == is_above
    if is_above:
        with pytest.raises(PolicyViolationError, match="per month at"):
            result.raise_for_ceiling("file")
    else:
        result.raise_for_ceiling("file")


def test_every_format_of_a_plan_shows_the_costs(tmp_path: Path) -> None:
    result = estimate(environment(tmp_path))
    plan = replace(summary(), cost=result)
    for render in (text.render, html.render, markdown.render):
        assert "$1,784.12 to $4,460.30 per month" in render(plan)
    assert data.render(plan)["cost"]["per_hour"]["minimum"] == pytest.approx(2.444)


def test_the_table_has_units_sources_and_what_is_missing(tmp_path: Path) -> None:
    table = cost_report.text(estimate(environment(tmp_path)))
    assert "per hour" in table
    assert "$58.66 to $146.64" in table
    assert "prices: FMBench 2.1.1, pricing.yml, 2025-02-03" in table
    assert "Not included: volumes" in table
