"""Endpoints of the module on the embedded cloud, which relay to a server of the test's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.cloud import LLAMA_IMAGE, Engine, eventually
from tests.support.terraform import Planned, Rig, show
from toolkit.terraform import Workspace

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
  endpoint           = try(each.value.endpoint, {})
  shadow             = try(each.value.shadow, null)
  vpc                = try(each.value.vpc, null)
  kms_key_arn        = try(each.value.kms_key_arn, null)
  data_capture       = try(each.value.data_capture, null)
}

output "configurations" {
  value = { for name, endpoint in module.endpoint : name => endpoint.endpoint_config_name }
}
"""


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
        self.workspace().apply_unseen()

    def show_and_apply(self) -> Planned:
        """Make it so, with a look at the plan before."""
        workspace = self.workspace()
        plan = workspace.plan()
        planned = show(workspace, plan)
        workspace.apply(plan)
        return planned

    def actions(self) -> dict[str, str]:
        """What an apply would do, in Terraform's words, by address; costs less than all of the plan."""
        return {change.address: change.action for change in self.workspace().plan().changes}

    def destroy(self) -> None:
        """Take all down; nothing must be left."""
        workspace = self.workspace()
        workspace.apply(workspace.plan(destroy=True))
        assert self.left() == {kind: [] for kind in self.left()}

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

    def bound(self, name: str, least: int, most: int) -> None:
        """Change the bounds of an endpoint's only variant."""
        self.rig.cloud.client("application-autoscaling").register_scalable_target(
            **self._target(name), MinCapacity=least, MaxCapacity=most
        )

    def bounds(self, name: str) -> tuple[int, int]:
        """The bounds of an endpoint's only variant."""
        key = self._target(name)
        answer = self.rig.cloud.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace=key["ServiceNamespace"], ResourceIds=[key["ResourceId"]]
        )
        (target,) = answer["ScalableTargets"]
        return target["MinCapacity"], target["MaxCapacity"]

    @staticmethod
    def _target(name: str) -> dict[str, str]:
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{name}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }

    def left(self, *names: str) -> dict[str, list[str]]:
        """What there is in the cloud of these endpoints, or of those that are named."""
        names = names or tuple(self.endpoints)
        sagemaker = self.rig.cloud.client("sagemaker")
        alarms = self.rig.cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
        scaling = self.rig.cloud.client("application-autoscaling")
        targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
        return {
            "endpoints": _ours(names, sagemaker.list_endpoints(), "EndpointName"),
            "configurations": _ours(names, sagemaker.list_endpoint_configs(), "EndpointConfigName"),
            "models": _ours(names, sagemaker.list_models(), "ModelName"),
            "alarms": _ours(names, {"alarms": alarms}, "AlarmName"),
            "targets": _ours(names, {"targets": targets}, "ResourceId"),
        }


def _ours(names: Sequence[str], answer: dict[str, Any], key: str) -> list[str]:
    (rows,) = (rows for rows in answer.values() if isinstance(rows, list))
    return sorted(row[key] for row in rows if any(name in row[key] for name in names))


def what(planned: Planned) -> dict[str, str]:
    """What happens to each of an endpoint's resources; hashes left out."""
    return {
        address.partition("].")[2].partition("[")[0]: "+".join(change["actions"])
        for address, change in planned.changes.items()
    }


def only(planned: Planned, name: str) -> Planned:
    """The part of a plan that is about one endpoint."""
    told = {
        kind: [each for each in planned.content.get(kind, []) if f'["{name}"].' in each["address"]]
        for kind in ("resource_changes", "resource_drift")
    }
    return Planned({**planned.content, **told})
