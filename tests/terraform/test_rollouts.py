"""What an apply does to endpoints that run, on the embedded cloud: updates, counts, failures, pauses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import LLAMA_IMAGE, Engine, eventually
from tests.support.terraform import Planned, Rig, show
from toolkit.errors import TerraformError
from toolkit.terraform import Workspace

pytestmark = pytest.mark.slow

ROOT = """
variable "paused" {
  type = bool
}

variable "endpoints" {
  type = any
}

provider "aws" {
  region = "us-east-1"
}

module "endpoint" {
  source   = "../../modules/sagemaker_endpoint"
  for_each = var.endpoints

  name               = each.key
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
  paused             = var.paused
  variants           = each.value.variants
  rollout            = each.value.rollout
}

output "configurations" {
  value = { for name, endpoint in module.endpoint : name => endpoint.endpoint_config_name }
}
"""
CANARY = {"strategy": "canary", "percent": 50, "alarms": {"latency_ms": 90_000}}


@dataclass
class Stack:
    """Endpoints that relay to one engine, so that each is up in a moment."""

    rig: Rig
    name: str
    engine: Engine
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    paused: bool = False

    def declare(self, name: str, variant: str = "AllTraffic", rollout: Any = None, **settings: Any) -> None:
        """Say what an endpoint is to be; what is not said is as in the other endpoints."""
        container = {"image": LLAMA_IMAGE, "environment": self.engine.container["Environment"]}
        variants = {variant: {**container, "instance_type": "ml.c7i.xlarge", **settings}}
        self.endpoints[name] = {"variants": variants, "rollout": rollout}

    def workspace(self) -> Workspace:
        """Terraform's, with what was declared last."""
        folder = self.rig.root(self.name, ROOT)
        return self.rig.workspace(folder, {"endpoints": self.endpoints, "paused": self.paused})

    def plan(self) -> Planned:
        """What an apply would do."""
        return show(self.workspace())

    def apply(self) -> None:
        """Make it so."""
        workspace = self.workspace()
        workspace.apply(workspace.plan())

    def environment(self, **further: str) -> dict[str, str]:
        """A container's environment."""
        return {**self.engine.container["Environment"], **further}

    def describe(self, name: str) -> dict[str, Any]:
        """SageMaker's description of an endpoint."""
        return dict(self.rig.cloud.client("sagemaker").describe_endpoint(EndpointName=name))

    def running(self, name: str) -> int:
        """How many instances an endpoint's only variant is to have."""
        (variant,) = self.describe(name)["ProductionVariants"]
        return int(variant["DesiredInstanceCount"])

    def scale(self, name: str, count: int) -> None:
        """What Application Auto Scaling does."""
        self.rig.cloud.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
        )
        eventually(lambda: self.describe(name)["EndpointStatus"] == "InService")

    def left(self) -> dict[str, list[str]]:
        """What there is in the cloud of these endpoints."""
        sagemaker = self.rig.cloud.client("sagemaker")
        alarms = self.rig.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        scaling = self.rig.cloud.client("application-autoscaling")
        targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return {
            "endpoints": self._ours(sagemaker.list_endpoints(), "EndpointName"),
            "configurations": self._ours(sagemaker.list_endpoint_configs(), "EndpointConfigName"),
            "models": self._ours(sagemaker.list_models(), "ModelName"),
            "alarms": self._ours({"alarms": alarms}, "AlarmName"),
            "targets": self._ours({"targets": targets}, "ResourceId"),
        }

    def _ours(self, answer: dict[str, Any], key: str) -> list[str]:
        (rows,) = (rows for rows in answer.values() if isinstance(rows, list))
        return sorted(row[key] for row in rows if any(name in row[key] for name in self.endpoints))


def what(planned: Planned) -> dict[str, str]:
    """What happens to each of an endpoint's resources; hashes left out."""
    return {
        address.partition("].")[2].partition("[")[0]: "+".join(change["actions"])
        for address, change in planned.changes.items()
    }


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
    stack.apply()
    for name in ("grown", "edited", "beyond", "rehoused"):
        stack.scale(name, 3)
    stack.declare("grown", capacity=room, instance_count=3)
    edited = stack.environment(LANG="C")
    stack.declare("edited", capacity=room, instance_count=3, environment=edited)
    stack.declare("beyond", capacity={"min": 1, "max": 2}, instance_count=3, environment=edited)
    stack.declare("retuned", capacity=room, rollout=CANARY)
    stack.declare("rehoused", capacity=room, instance_count=3, instance_type="ml.c7i.2xlarge")
    stack.declare("renamed", capacity=room, variant="Other")
    planned = stack.plan()
    stack.apply()
    yield stack, {name: what(_only(planned, name)) for name in stack.endpoints}
    stack.workspace().apply(stack.workspace().plan(destroy=True))


def _only(planned: Planned, name: str) -> Planned:
    changes = [each for each in planned.content["resource_changes"] if f'["{name}"].' in each["address"]]
    return Planned({**planned.content, "resource_changes": changes})


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


def test_other_variants_are_another_endpoint(updated: tuple[Stack, dict[str, Any]]) -> None:
    stack, plans = updated
    assert plans["renamed"]["aws_sagemaker_endpoint.this"] == "delete+create"
    (variant,) = stack.describe("renamed")["ProductionVariants"]
    assert variant["VariantName"] == "Other"


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


def test_mended(stack: Stack) -> None:
    """After a failure comes something else, and all that is old goes."""
    (name,) = stack.endpoints
    stack.declare(name, environment=UNHEALTHY)
    with pytest.raises(TerraformError):
        stack.apply()
    stack.declare(name, environment=stack.environment(LANG="C"))
    stack.apply()
    assert stack.describe(name)["EndpointConfigName"] == stack.workspace().outputs()["configurations"][name]
    assert [len(stack.left()[kind]) for kind in ("models", "configurations")] == [1, 1]


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
