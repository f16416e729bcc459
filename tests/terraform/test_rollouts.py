"""What an apply does to endpoints that run, on the embedded cloud: updates, counts, failures, pauses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import LLAMA_IMAGE, Engine, eventually
from tests.support.endpoints import Stack, only, what
from tests.support.terraform import Rig
from toolkit.errors import TerraformError
from toolkit.report import drift

pytestmark = pytest.mark.slow

DAY = {"schedules": {"day": {"schedule": "cron(0 8 ? * MON-FRI *)", "min": 3, "max": 6}}}
CANARY = {"strategy": "canary", "percent": 50, "alarms": {"latency_ms": 90_000}}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def updated(rig: Rig, engine: Engine) -> Iterator[tuple[Stack, dict[str, Any]]]:
    """Endpoints that were made, then scaled, then changed, each in a way of its own; and the second plan."""
    stack = Stack(rig, "updated", engine)
    room = {"min": 1, "max": 4}
    for name in ("grown", "edited", "beyond", "retuned", "rehoused", "renamed"):
        stack.declare(name, capacity=room)
    for name in ("scheduled", "unscheduled", "rescheduled"):
        stack.declare(name, capacity={**room, **DAY})
    stack.apply()
    for name in ("scheduled", "rescheduled"):
        stack.bound(name, 3, 6)  # as the schedule does
    for name in ("grown", "edited", "beyond", "rehoused"):
        stack.scale(name, 3)
    stack.declare("grown", capacity=room, instance_count=3)
    edited = stack.environment(LANG="C")
    stack.declare("edited", capacity=room, instance_count=3, environment=edited)
    stack.declare("beyond", capacity={"min": 1, "max": 2}, instance_count=3, environment=edited)
    stack.declare("retuned", capacity=room, rollout=CANARY)
    stack.declare("rehoused", capacity=room, instance_count=3, instance_type="ml.c7i.2xlarge")
    stack.declare("renamed", capacity=room, variant="Other")
    stack.declare("unscheduled", capacity=room)
    stack.declare("rescheduled", capacity={**room, **DAY, "max": 5})
    planned = stack.plan()
    stack.apply()
    yield stack, {name: what(only(planned, name)) for name in stack.endpoints}
    stack.workspace().apply(stack.workspace().plan(destroy=True))


def test_a_fleet_does_not_roll_because_it_grew(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["grown"] == {}
    assert stack.running("grown") == 3


def test_a_rollout_keeps_the_count_that_runs(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["edited"]["aws_sagemaker_endpoint.this"] == "update"
    assert stack.running("edited") == 3
    assert stack.running("beyond") == 2  # but within the bounds


def test_other_rollout_settings_are_for_the_next_rollout(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["retuned"] == {"aws_cloudwatch_metric_alarm.rollout": "create"}
    deployed = stack.describe("retuned")["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert deployed["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"
    stack.declare("retuned", capacity={"min": 1, "max": 4}, rollout=CANARY, environment={"LANG": "C"})
    endpoint = 'module.endpoint["retuned"].aws_sagemaker_endpoint.this[0]'
    (planned,) = stack.plan().values(endpoint)["deployment_config"]
    (routing,) = planned["blue_green_update_policy"][0]["traffic_routing_configuration"]
    assert (routing["type"], routing["canary_size"][0]["value"]) == ("CANARY", 50)
    alarms = {each["alarm_name"] for each in planned["auto_rollback_configuration"][0]["alarms"]}
    assert alarms == {"retuned-AllTraffic-server-errors", "retuned-AllTraffic-latency"}


def test_another_instance_type_is_not_that_of_a_scalable_target(
    updated: tuple[Stack, dict[str, Any]],
) -> None:
    """SageMaker refuses the update otherwise."""
    stack, plans = updated
    assert plans["rehoused"]["aws_appautoscaling_target.this"] == "delete+create"
    assert plans["rehoused"]["aws_sagemaker_endpoint.this"] == "update"
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


def test_an_apply_leaves_the_bounds_of_a_schedule(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["scheduled"] == {}
    assert stack.bounds("scheduled") == (3, 6)


def test_other_bounds_hold_at_once(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["rescheduled"]["aws_appautoscaling_target.scheduled"] == "delete+create"
    assert stack.bounds("rescheduled") == (1, 5)


def test_without_schedules_the_bounds_are_kept(updated: tuple[Stack, dict[str, Any]]) -> None:
    """One target goes and one comes for the same variant; it must be there in the end."""
    stack, plans = updated
    assert plans["unscheduled"]["aws_appautoscaling_target.scheduled"] == "delete"
    assert plans["unscheduled"]["aws_appautoscaling_target.this"] == "create"
    assert stack.bounds("unscheduled") == (1, 4)


def test_other_variants_are_another_endpoint(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["renamed"]["aws_sagemaker_endpoint.this"] == "delete+create"
    (variant,) = stack.describe("renamed")["ProductionVariants"]
    assert variant["VariantName"] == "Other"


KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_what_sagemaker_gives_back_is_what_was_planned(rig: Rig, engine: Engine) -> None:
    """A plan right after the apply is empty, whatever the endpoint has."""
    stack = Stack(rig, "kinds", engine)
    stack.declare("kinds-async", capacity={"min": 0, "max": 2})
    stack.endpoints["kinds-async"]["endpoint"] = {
        "type": "async",
        "async": {
            "output_s3_uri": "s3://bucket/answers/",
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
    stack.apply()
    planned = stack.plan()
    assert planned.changes == {}
    # Nothing has drifted, though AWS has told more of it since, such as the alarms of a policy.
    told = {each["address"] for each in planned.content.get("resource_drift", [])}
    assert 'module.endpoint["kinds-async"].aws_appautoscaling_policy.from_zero["AllTraffic"]' in told
    assert drift.read(planned.content) == ()
    workspace = stack.workspace()
    workspace.apply(workspace.plan(destroy=True))
    assert stack.left() == {kind: [] for kind in stack.left()}


@pytest.fixture
def stack(rig: Rig, engine: Engine, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """An endpoint that runs, gone afterwards."""
    name = str(request.node.originalname).removeprefix("test_")[:20].replace("_", "-").strip("-")
    stack = Stack(rig, name, engine)
    stack.declare(name)
    stack.apply()
    yield stack
    stack.paused = False
    workspace = stack.workspace()
    workspace.apply(workspace.plan(destroy=True))
    assert stack.left() == {kind: [] for kind in stack.left()}


UNHEALTHY = {"OPENAI_BASE_URL": "http://model.invalid/v1"}


def test_taken_back(stack: Stack) -> None:
    """SageMaker keeps the old fleet, and so does Terraform what the old fleet is made of."""
    (name,) = stack.endpoints
    before = stack.left()
    serving = stack.describe(name)["EndpointConfigName"]
    stack.declare(name, environment=UNHEALTHY)
    with pytest.raises(TerraformError, match=f"took the rollout back: {name} is on {serving}"):
        stack.apply()
    assert stack.workspace().outputs()["configurations"][name] != serving
    assert stack.describe(name)["EndpointStatus"] == "InService"
    assert set(before["models"]) < set(stack.left()["models"])
    assert set(before["configurations"]) < set(stack.left()["configurations"])

    # What served before is still there: going back makes nothing new, and takes nothing away but the failure.
    stack.declare(name)
    planned = stack.plan()
    assert {address: action for address, action in what(planned).items() if action != "delete"} == {
        "aws_cloudwatch_metric_alarm.rollout": "update"
    }
    stack.apply()
    assert stack.left() == before
    assert stack.plan().changes == {}


ROLLING = {"strategy": "rolling", "percent": 50, "wait_seconds": 0, "timeout_seconds": 3600}


def test_mended(rig: Rig, engine: Engine) -> None:
    """After an update that failed and could not be taken back comes another, and all that is old goes."""
    s3, bucket = rig.cloud.client("s3"), "rollouts-weights"
    s3.create_bucket(Bucket=bucket)
    stack, name = Stack(rig, "mended", engine), "mended"

    def declare(weights: str, **settings: Any) -> None:
        s3.put_object(Bucket=bucket, Key=f"{weights}/weights", Body=weights.encode())
        uri = f"s3://{bucket}/{weights}/"
        two = {"capacity": {"min": 2, "max": 2}, "instance_count": 2}
        stack.declare(name, rollout=ROLLING, model_data_s3_uri=uri, **two, **settings)

    def remove(weights: str) -> None:
        s3.delete_object(Bucket=bucket, Key=f"{weights}/weights")

    declare("old")
    stack.apply()
    serving = stack.describe(name)["EndpointConfigName"]
    declare("new")
    remove("old")
    engine.asked = lambda: remove("new")  # by then the first new instance has them
    with pytest.raises(TerraformError):
        stack.apply()
    engine.asked = lambda: None
    eventually(lambda: stack.describe(name)["EndpointStatus"] == "UpdateRollbackFailed", 60)
    assert stack.describe(name)["EndpointConfigName"] == serving

    # Terraform sees nothing to do for what was there before: the toolkit asks SageMaker for it.
    declare("old")
    assert "aws_sagemaker_endpoint.this" not in what(stack.plan())
    declare("other")
    stack.apply()
    described = stack.describe(name)
    assert described["EndpointStatus"] == "InService"
    assert described["EndpointConfigName"] == stack.workspace().outputs()["configurations"][name]
    assert [len(stack.left()[kind]) for kind in ("models", "configurations")] == [1, 1]
    workspace = stack.workspace()
    workspace.apply(workspace.plan(destroy=True))
    assert stack.left() == {kind: [] for kind in stack.left()}


def test_destroyed_half_way(stack: Stack) -> None:
    """The fixture destroys what a failed update and a failed creation left."""
    (name,) = stack.endpoints
    stack.declare(name, environment=UNHEALTHY)
    stack.declare("destroyed-stillborn", environment=UNHEALTHY)
    with pytest.raises(TerraformError):
        stack.apply()
    assert stack.describe("destroyed-stillborn")["EndpointStatus"] == "Failed"
    assert len(stack.left()["models"]) == 3


def test_paused(stack: Stack) -> None:
    (name,) = stack.endpoints
    before = stack.left()
    serving = stack.describe(name)["EndpointConfigName"]
    stack.paused = True
    stack.apply()
    with pytest.raises(ClientError, match="Could not find"):
        stack.describe(name)
    assert stack.left() == {**before, "endpoints": [], "alarms": [], "targets": []}
    assert stack.workspace().outputs()["configurations"] == {name: serving}
    stack.paused = False
    stack.apply()
    assert stack.describe(name)["EndpointConfigName"] == serving
