"""Updates of running endpoints on the embedded cloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.cloud import LLAMA_IMAGE, Engine
from tests.support.endpoints import Stack, only, planned_actions
from tests.support.terraform import Planned, Rig
from toolkit.report import drift

pytestmark = pytest.mark.slow

DAY = {"schedules": {"day": {"schedule": "cron(0 8 ? * MON-FRI *)", "min": 3, "max": 6}}}
CANARY = {"strategy": "canary", "percent": 50, "alarms": {"latency_ms": 90_000}}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
KINDS = ("kinds-async", "kinds-serverless", "kinds-full")


def declare_kinds(stack: Stack) -> None:
    """Endpoints that together use every feature."""
    stack.declare("kinds-async", capacity={"min": 0, "max": 2})
    stack.endpoints["kinds-async"]["endpoint"] = {
        "type": "async",
        "async": {
            "output_s3_uri": "s3://bucket/responses/",
            "error_topic_arn": "arn:aws:sns:us-east-1:123456789012:errors",
            "max_concurrent_invocations": 4,
        },
    }
    stack.declare("kinds-serverless", instance_type=None)
    stack.endpoints["kinds-serverless"]["endpoint"] = {
        "type": "serverless",
        "serverless": {"memory_mb": 2048, "max_concurrency": 5},
    }
    schedule = {"schedule": "cron(0 8 ? * MON-FRI *)", "timezone": "Europe/Berlin", "min": 3}
    stack.declare(
        "kinds-full",
        rollout={"strategy": "rolling", "percent": 25, "wait_seconds": 60, "timeout_seconds": 3600},
        weight=0.3,
        capacity={"min": 1, "max": 4, "schedules": {"day": schedule}},
    )
    container = {"image": LLAMA_IMAGE, "environment": stack.environment(), "instance_type": "ml.c7i.large"}
    stack.endpoints["kinds-full"] |= {
        "shadow": {**container, "sampling_percent": 10},
        "vpc": {"subnet_ids": ["subnet-0b", "subnet-0a"], "security_group_ids": ["sg-0a"]},
        "kms_key_arn": KEY,
        "data_capture": {"percent": 5, "s3_uri": "s3://bucket/captured/", "kms_key_arn": KEY},
    }


@dataclass(frozen=True)
class Updated:
    """Endpoints after their second apply.

    Attributes:
        plans: the second plan, by endpoint.
    """

    stack: Stack
    plans: dict[str, Planned]

    def __getitem__(self, name: str) -> dict[str, str]:
        """Actions on an endpoint's resources."""
        return planned_actions(self.plans[name])


@pytest.fixture(scope="module")
def updated(rig: Rig, engine: Engine) -> Iterator[Updated]:
    """Endpoints that were created, then scaled, then changed in different ways."""
    stack = Stack(rig, "updated", engine)
    capacity = {"min": 1, "max": 4}
    for name in ("grown", "edited", "beyond", "retuned", "rehoused", "renamed"):
        stack.declare(name, capacity=capacity)
    for name in ("scheduled", "unscheduled", "rescheduled"):
        stack.declare(name, capacity={**capacity, **DAY})
    declare_kinds(stack)
    stack.apply()
    for name in ("scheduled", "rescheduled"):
        stack.bound(name, 3, 6)  # as the schedule would
    for name in ("grown", "edited", "beyond", "rehoused"):
        stack.scale(name, 3)
    stack.declare("grown", capacity=capacity, instance_count=3)
    edited = stack.environment(LANG="C")
    stack.declare("edited", capacity=capacity, instance_count=3, environment=edited)
    stack.declare("beyond", capacity={"min": 1, "max": 2}, instance_count=3, environment=edited)
    stack.declare("retuned", capacity=capacity, rollout=CANARY)
    stack.declare("rehoused", capacity=capacity, instance_count=3, instance_type="ml.c7i.2xlarge")
    stack.declare("renamed", capacity=capacity, variant="Other")
    stack.declare("unscheduled", capacity=capacity)
    stack.declare("rescheduled", capacity={**capacity, **DAY, "max": 5})
    planned = stack.show_and_apply()
    yield Updated(stack, {name: only(planned, name) for name in stack.endpoints})
    stack.destroy()


def test_a_scaled_fleet_is_not_rolled_out_again(updated: Updated) -> None:
    stack = updated.stack
    assert updated["grown"] == {}
    assert stack.running("grown") == 3


def test_a_rollout_keeps_the_current_count(updated: Updated) -> None:
    stack = updated.stack
    assert updated["edited"]["aws_sagemaker_endpoint.this"] == "update"
    assert stack.running("edited") == 3
    assert stack.running("beyond") == 2  # limited to the maximum


def test_rollout_settings_apply_to_the_next_rollout(updated: Updated) -> None:
    stack = updated.stack
    assert updated["retuned"] == {"aws_cloudwatch_metric_alarm.rollout": "create"}
    deployed = stack.describe("retuned")["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert deployed["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    stack.declare("retuned", capacity={"min": 1, "max": 4}, rollout=CANARY, environment={"LANG": "C"})
    endpoint = 'module.endpoint["retuned"].aws_sagemaker_endpoint.this[0]'
    (planned,) = stack.plan().values(endpoint)["deployment_config"]
    (routing,) = planned["blue_green_update_policy"][0]["traffic_routing_configuration"]
    assert (routing["type"], routing["canary_size"][0]["value"]) == ("CANARY", 50)
    alarms = {alarm["alarm_name"] for alarm in planned["auto_rollback_configuration"][0]["alarms"]}
    assert alarms == {"retuned-AllTraffic-server-errors", "retuned-AllTraffic-latency"}


def test_a_new_instance_type_deregisters_the_scalable_target(updated: Updated) -> None:
    """Otherwise SageMaker rejects the update."""
    stack = updated.stack
    assert updated["rehoused"]["aws_appautoscaling_target.this"] == "delete+create"
    assert updated["rehoused"]["aws_sagemaker_endpoint.this"] == "update"
    log = [json.loads(line) for line in (stack.workspace().directory / "apply.log").read_text().splitlines()]
    hooks = [
        (line["hook"]["resource"]["addr"], line["hook"]["action"])
        for line in log
        if line["type"] == "apply_complete" and '["rehoused"]' in line["hook"]["resource"]["addr"]
    ]
    module = 'module.endpoint["rehoused"]'
    target, endpoint = (
        f'{module}.aws_appautoscaling_target.this["AllTraffic"]',
        f"{module}.aws_sagemaker_endpoint.this[0]",
    )
    order = [(target, "delete"), (endpoint, "update"), (target, "create")]
    assert [hook for hook in hooks if hook in order] == order
    assert stack.running("rehoused") == 3


def test_an_apply_keeps_the_limits_of_a_schedule(updated: Updated) -> None:
    stack = updated.stack
    assert updated["scheduled"] == {}
    assert stack.bounds("scheduled") == (3, 6)


def test_changed_limits_apply_immediately(updated: Updated) -> None:
    stack = updated.stack
    assert updated["rescheduled"]["aws_appautoscaling_target.scheduled"] == "delete+create"
    assert stack.bounds("rescheduled") == (1, 5)


def test_removing_schedules_keeps_a_scalable_target(updated: Updated) -> None:
    """Two resources register the same target; the deletion must not deregister the new one."""
    stack = updated.stack
    assert updated["unscheduled"]["aws_appautoscaling_target.scheduled"] == "delete"
    assert updated["unscheduled"]["aws_appautoscaling_target.this"] == "create"
    assert stack.bounds("unscheduled") == (1, 4)


def test_renaming_variants_replaces_the_endpoint(updated: Updated) -> None:
    stack = updated.stack
    assert updated["renamed"]["aws_sagemaker_endpoint.this"] == "delete+create"
    (variant,) = stack.describe("renamed")["ProductionVariants"]
    assert variant["VariantName"] == "Other"


def test_planning_after_an_apply_is_empty(updated: Updated) -> None:
    """For every feature, and without drift."""
    for name in KINDS:
        assert updated.plans[name].changes == {}
        assert drift.changes(updated.plans[name].content) == ()
    # Terraform reports computed attributes that AWS set later, such as the alarms of a policy.
    reported = {resource["address"] for resource in updated.plans["kinds-async"].content["resource_drift"]}
    assert 'module.endpoint["kinds-async"].aws_appautoscaling_policy.from_zero["AllTraffic"]' in reported
