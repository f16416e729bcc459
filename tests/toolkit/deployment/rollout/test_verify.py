"""Whether SageMaker serves what was planned, and what a user is told if not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.toolkit.deployment.fakes import World, statuses
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.deployment.rollout import verify
from toolkit.deployment.rollout.verify import Rollout
from toolkit.errors import RolloutError

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def deployed(endpoint: str = "e", configuration: str = "new") -> DeployedModel:
    return DeployedModel(
        endpoint_name=endpoint,
        endpoint_type="realtime",
        endpoint_config_name=configuration,
        variant_names=["v"],
        model_names={"v": "model"},
        instance_types={"v": "ml.c7i.xlarge"},
        alarm_names=["e-errors"],
    )


def outputs(models: dict[str, DeployedModel], *, paused: bool = False) -> Outputs:
    values: dict[str, Any] = dict.fromkeys(Outputs.__dataclass_fields__, "")
    return Outputs(**values | {"models": models, "paused": paused})


def refused(world: World, rollout: Rollout, **models: DeployedModel) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        verify.endpoints(world.context, outputs(models or {"m": deployed()}), rollout)
    return caught.value


def touching(*endpoints: str) -> Rollout:
    return Rollout(frozenset(endpoints), BEGAN)


def test_as_planned_is_well() -> None:
    world = World()
    world.sagemaker.answers = {"e": list(statuses("Updating", "InService"))}
    verify.endpoints(world.context, outputs({"m": deployed()}), touching("e"))


def test_paused_has_no_endpoint_to_look_at() -> None:
    world = World()
    verify.endpoints(world.context, outputs({"m": deployed()}, paused=True), Rollout())
    assert world.sagemaker.asked == []


def test_taken_back_is_told_with_reason_alarm_and_the_new_containers_words() -> None:
    world = World()
    (description,) = statuses("InService", configuration="old")
    world.sagemaker.answers = {"e": [description | {"FailureReason": "Alarm fired."}]}
    alarm = {"AlarmName": "e-errors", "MetricName": "Invocation5XXErrors", "Threshold": 0.05}
    # The new fleet is gone, and with it what the alarm watched: only its history tells.
    world.cloudwatch.alarms = [alarm | {"StateValue": "OK"}]
    data = {"newState": {"stateValue": "ALARM", "stateReason": "Threshold Crossed: 0.8"}}
    world.cloudwatch.history = [
        {"Timestamp": BEGAN + timedelta(seconds=9), "HistoryData": json.dumps(data)},
        {"Timestamp": BEGAN - timedelta(days=9), "HistoryData": json.dumps({"newState": {}})},
    ]
    began = int(BEGAN.timestamp() * 1000)
    world.logs.streams = {"v/old": (began - 1, ["old words"]), "v/new": (began + 1, ["new words"])}

    error = refused(world, touching("e"))
    assert error.exit_code == 6
    assert error.where == "models.m"
    assert "rolled back by SageMaker: it is on old, not on the planned new" in error.message
    told = str(error)
    assert "reason: Alarm fired." in told
    assert (
        "alarm e-errors (Invocation5XXErrors, threshold 0.05) fired at 12:00:09 UTC: Threshold Crossed"
        in told
    )
    assert "serves now: old" in told
    assert "new words" in told
    assert "old words" not in told


def test_failed_serves_nothing() -> None:
    world = World()
    world.sagemaker.answers = {"e": list(statuses("Failed"))}
    error = refused(world, touching("e"))
    assert "endpoint e is Failed" in error.message
    assert "serves now: nothing" in error.details


def test_a_reason_on_the_planned_configuration_counts_if_this_apply_touched_it() -> None:
    world = World()
    (description,) = statuses("InService")
    world.sagemaker.answers = {"e": [description | {"FailureReason": "The update failed."}]}
    verify.endpoints(world.context, outputs({"m": deployed()}), touching())
    assert "its update failed" in refused(world, touching("e")).message


def test_other_variants_and_a_missing_endpoint() -> None:
    world = World()
    (description,) = statuses("InService")
    world.sagemaker.answers = {"e": [description | {"ProductionVariants": [{"VariantName": "w"}]}]}
    assert "variants" in refused(world, touching()).message
    assert "does not exist" in refused(world, touching(), m=deployed("gone")).message


def test_several_are_all_reported() -> None:
    world = World()
    old = {"configuration": "old"}
    world.sagemaker.answers = {
        "a": list(statuses("InService", **old)),
        "b": list(statuses("InService")),
        "c": list(statuses("Failed")),
    }
    told = str(refused(world, touching("a", "c"), a=deployed("a"), b=deployed("b"), c=deployed("c")))
    assert "2 endpoints do not serve what was planned" in told
    assert "models.a: endpoint a was rolled back" in told
    assert "models.c: endpoint c is Failed" in told
    assert "models.b" not in told


def test_only_endpoints_that_terraform_names_are_blamed() -> None:
    world = World()
    world.sagemaker.answers = {"llm-a": list(statuses("Failed")), "llm-a-2": list(statuses("Failed"))}
    models = {"a": deployed("llm-a"), "a-2": deployed("llm-a-2")}
    rollout = touching("llm-a", "llm-a-2")
    failed = verify.failed_rollouts(world.context, models, rollout, "waiting for (llm-a-2) create: Failed")
    assert failed is not None
    assert failed.where == "models.a-2"
    assert verify.failed_rollouts(world.context, models, rollout, "another resource") is None
