"""The costs of a plan agree with a calculation by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.support.plans import summary
from toolkit.cost.plan import PlanCosts, plan_costs
from toolkit.cost.prices import Prices
from toolkit.report import data, html, markdown, text

PRICES = Prices("us-east-1", {"ml.small": 1.0, "ml.big": 4.0})
BLUE_GREEN = {"strategy": "canary", "percent": 10, "timeout_seconds": 7200}
ROLLING = {"strategy": "rolling", "percent": 25, "timeout_seconds": 3600}
WORKING_HOURS = {
    "AllTraffic/day": {"name": "day", "schedule": "cron(0 8 ? * MON-FRI *)", "min_capacity": "4"},
    "AllTraffic/night": {"name": "night", "schedule": "cron(0 18 ? * MON-FRI *)", "min_capacity": "1"},
}


def values(
    kind: str = "ml.small",
    bounds: tuple[int, int] = (2, 4),
    *,
    count: int = 2,
    key: str = "a",
    rollout: Mapping[str, Any] | None = None,
    schedules: Mapping[str, Mapping[str, str]] | None = None,
    shadow: str | None = None,
) -> dict[str, Any]:
    """The endpoint of the model chat, in the format of `terraform show -json`."""
    variant = {
        "variant_name": "AllTraffic",
        "instance_type": kind,
        "initial_instance_count": count,
        "model_data_download_timeout_in_seconds": 600,
        "container_startup_health_check_timeout_in_seconds": 1200,
    }
    shadows = [] if shadow is None else [{**variant, "variant_name": "Shadow", "instance_type": shadow}]
    low, high = bounds
    policy = {"scale_in_cooldown": 300}
    resources = [
        ("terraform_data", "fleet", "AllTraffic", {"input": {"instance_type": kind, "scheduled": None}}),
        ("terraform_data", "rollout", key, {"input": rollout or BLUE_GREEN}),
        ("aws_sagemaker_endpoint", "this", 0, {"endpoint_config_name": f"chat-{key}"}),
        (
            "aws_sagemaker_endpoint_configuration",
            "this",
            key,
            {
                "name": f"chat-{key}",
                "production_variants": [variant],
                "shadow_production_variants": shadows,
            },
        ),
        (
            "aws_appautoscaling_target",
            "this",
            "AllTraffic",
            {"min_capacity": low, "max_capacity": high},
        ),
        (
            "aws_appautoscaling_policy",
            "tracking",
            "AllTraffic",
            {"target_tracking_scaling_policy_configuration": [policy]},
        ),
    ]
    for name, action in (schedules or {}).items():
        target = {"min_capacity": action["min_capacity"], "max_capacity": None}
        content = {**action, "timezone": "UTC", "scalable_target_action": [target]}
        resources.append(("aws_appautoscaling_scheduled_action", "this", name, content))
        resources[0][3]["input"]["scheduled"] = f"{low}-{high}"
    module = {
        "address": 'module.endpoint["chat"]',
        "resources": [
            {"type": type_, "name": name, "index": index, "values": content}
            for type_, name, index, content in resources
        ],
    }
    return {"root_module": {"child_modules": [module]}}


def costs(before: dict[str, Any] | None, after: dict[str, Any] | None) -> PlanCosts:
    document = {"prior_state": {"values": before or {}}, "planned_values": after or {}}
    return plan_costs(document, PRICES)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            values(),
            values(bounds=(3, 6)),
            "instances of chat: 2 to 4 x ml.small, $1,460.00 to $2,920.00 per month"
            " → 3 to 6 x ml.small, $2,190.00 to $4,380.00 per month",
        ),
        (
            values(),
            values("ml.big", (1, 1)),
            "instances of chat: 2 to 4 x ml.small, $1,460.00 to $2,920.00 per month"
            " → 1 x ml.big, $2,920.00 per month",
        ),
        (None, values(bounds=(1, 1)), "instances of chat: none → 1 x ml.small, $730.00 per month"),
        (values(bounds=(1, 1)), None, "instances of chat: 1 x ml.small, $730.00 per month → none"),
        (
            values(bounds=(1, 1)),
            values("ml.other", (1, 1)),
            "instances of chat: 1 x ml.small, $730.00 per month → 1 x ml.other, unknown price per month",
        ),
        # 15 minutes and a cooldown of 5, for one instance at a dollar per hour.
        (
            values(bounds=(2, 2)),
            values(bounds=(1, 2)),
            "instances of chat: 2 x ml.small, $1,460.00 per month"
            " → 1 to 2 x ml.small, $730.00 to $1,460.00 per month"
            "; superfluous instances stay 20 min, $0.33",
        ),
        # 4 instances for 50 of 168 hours: 1 + 3 * 50 / 168.
        (
            values(bounds=(1, 4)),
            values(bounds=(1, 4), schedules=WORKING_HOURS),
            "instances of chat: 1 to 4 x ml.small, $730.00 to $2,920.00 per month"
            " → 1.893 to 4 x ml.small, $1,381.79 to $2,920.00 per month",
        ),
        (
            values(bounds=(1, 1)),
            values(bounds=(1, 1), shadow="ml.big"),
            "instances of chat/Shadow: none → 2 x ml.big, $5,840.00 per month",
        ),
    ],
)
def test_a_plan_shows_costs_before_and_after(
    before: dict[str, Any] | None, after: dict[str, Any] | None, sentence: str
) -> None:
    assert list(costs(before, after).sentences()) == [sentence]


def test_a_plan_that_leaves_the_instances_says_so() -> None:
    assert list(costs(values(schedules=WORKING_HOURS), values(schedules=WORKING_HOURS)).sentences()) == [
        "the plan does not change the number, the type or the price of instances"
    ]


def test_a_blue_green_update_has_two_fleets_until_its_timeout() -> None:
    (rollout,) = costs(values(count=3), values("ml.big", count=3, key="b")).rollouts
    assert (rollout.dollars, rollout.additional) == (3 * 2 * 1.0 + 3 * 2 * 4.0, 3 * 2 * 4.0)
    assert str(rollout) == (
        "rollout of chat at most: 3 x ml.small + 3 x ml.big for 2 h, $30.00, "
        "$24.00 of it for the additional instances"
    )


def test_a_rolling_update_has_a_batch_more_until_it_rolls_back() -> None:
    (rollout,) = costs(values(count=5), values("ml.big", count=5, key="b", rollout=ROLLING)).rollouts
    # A batch of 25 %, rounded up; the old fleet may take 1,800 s to start again.
    assert rollout.additional == pytest.approx(2 * 4.0 * 1 + 5 * 1.0 * 0.5)
    assert rollout.dollars == pytest.approx(5 * 1.0 * 1.5 + 2 * 4.0 * 1 + 5 * 1.0 * 0.5)
    assert "5 x ml.small + 2 x ml.big for 1 h, and twice the fleet for 0.5 h to roll back" in str(rollout)


def test_a_plan_without_another_configuration_has_no_rollout() -> None:
    assert costs(values(), values(bounds=(3, 6))).rollouts == ()
    assert costs(None, values()).rollouts == ()


def test_a_replaced_endpoint_has_no_rollout() -> None:
    # With another type or other variants, Terraform deletes the endpoint first: there is only one fleet.
    address = 'module.endpoint["chat"].aws_sagemaker_endpoint.this[0]'
    change = {"address": address, "change": {"actions": ["delete", "create"]}}
    document = {
        "prior_state": {"values": values()},
        "planned_values": values("ml.big", key="b"),
        "resource_changes": [change],
    }
    assert plan_costs(document, PRICES).rollouts == ()
    change["change"] = {"actions": ["update"]}
    assert len(plan_costs(document, PRICES).rollouts) == 1


def test_every_format_of_a_plan_shows_them() -> None:
    changed = costs(values(count=3), values("ml.big", count=3, key="b"))
    plan = replace(summary(), cost_changes=changed)
    for sentence in changed.sentences():
        for render in (text.render, html.render, markdown.render):
            assert sentence in render(plan)
    assert data.render(plan)["cost_changes"]["rollouts"][0]["dollars"] == 30.0
    assert data.render(plan)["cost_changes"]["changes"][0]["after"]["maximum"] == 4
