"""Endpoints of the Terraform module in the embedded cloud, which relay to a server of the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.cloud import LLAMA_IMAGE, Engine, create_role, eventually
from tests.support.terraform import Planned, Rig, show
from toolkit.terraform import Workspace

# Not the account stack's, which is applied only if a test of the same session needs it.
ROLE = "arn:aws:iam::123456789012:role/endpoints"
ROOT = """
variable "role" {
  type = string
}

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
  execution_role_arn = var.role
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
    """Endpoints that relay to one engine, so that each starts immediately."""

    rig: Rig
    name: str
    engine: Engine
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    paused: bool = False

    def __post_init__(self) -> None:
        create_role(self.rig.cloud.client("iam"), ROLE)

    def declare(self, name: str, variant: str = "AllTraffic", rollout: Any = None, **settings: Any) -> None:
        """Declare an endpoint; the other endpoints provide the defaults."""
        container = {"image": LLAMA_IMAGE, "environment": self.engine.container["Environment"]}
        variants = {variant: {**container, "instance_type": "ml.c7i.xlarge", **settings}}
        self.endpoints[name] = {"variants": variants, "rollout": rollout}

    def workspace(self) -> Workspace:
        """Return Terraform's workspace with the current declarations."""
        folder = self.rig.root(self.name, ROOT)
        variables = {"role": ROLE, "endpoints": self.endpoints, "paused": self.paused}
        return self.rig.workspace(folder, variables)

    def plan(self) -> Planned:
        """Plan an apply."""
        return show(self.workspace())

    def apply(self) -> None:
        """Apply the declarations."""
        self.workspace().apply_unseen()

    def show_and_apply(self) -> Planned:
        """Plan, then apply."""
        workspace = self.workspace()
        plan = workspace.plan()
        planned = show(workspace, plan)
        workspace.apply(plan)
        return planned

    def actions(self) -> dict[str, str]:
        """Return Terraform's planned actions by address; cheaper than the whole plan."""
        return {change.address: change.action for change in self.workspace().plan().changes}

    def destroy(self) -> None:
        """Destroy everything, and check that nothing remains."""
        workspace = self.workspace()
        workspace.apply(workspace.plan(destroy=True))
        # The provider does not wait until endpoints are deleted.
        eventually(lambda: not any(self.remaining().values()))

    def environment(self, **further: str) -> dict[str, str]:
        """Return a container's environment."""
        return {**self.engine.container["Environment"], **further}

    def describe(self, name: str) -> dict[str, Any]:
        """Return SageMaker's description of an endpoint."""
        return dict(self.rig.cloud.client("sagemaker").describe_endpoint(EndpointName=name))

    def running(self, name: str) -> int:
        """Return the desired instance count of an endpoint's only variant."""
        (variant,) = self.describe(name)["ProductionVariants"]
        return int(variant["DesiredInstanceCount"])

    def scale(self, name: str, count: int) -> None:
        """Set the desired count, like Application Auto Scaling."""
        self.rig.cloud.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName=name,
            DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": count}],
        )
        eventually(lambda: self.describe(name)["EndpointStatus"] == "InService")

    def bound(self, name: str, least: int, most: int) -> None:
        """Change the capacity bounds of an endpoint's only variant."""
        self.rig.cloud.client("application-autoscaling").register_scalable_target(
            **self._target(name), MinCapacity=least, MaxCapacity=most
        )

    def bounds(self, name: str) -> tuple[int, int]:
        """Return the capacity bounds of an endpoint's only variant."""
        key = self._target(name)
        response = self.rig.cloud.client("application-autoscaling").describe_scalable_targets(
            ServiceNamespace=key["ServiceNamespace"], ResourceIds=[key["ResourceId"]]
        )
        (target,) = response["ScalableTargets"]
        return target["MinCapacity"], target["MaxCapacity"]

    @staticmethod
    def _target(name: str) -> dict[str, str]:
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{name}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        }

    def remaining(self, *names: str) -> dict[str, list[str]]:
        """Return the resources of these endpoints in the cloud, or of the named ones."""
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


def _ours(names: Sequence[str], response: dict[str, Any], key: str) -> list[str]:
    (rows,) = (rows for rows in response.values() if isinstance(rows, list))
    return sorted(row[key] for row in rows if any(name in row[key] for name in names))


def planned_actions(planned: Planned) -> dict[str, str]:
    """Return the planned actions for an endpoint's resources, without hashes."""
    return {
        address.partition("].")[2].partition("[")[0]: "+".join(change["actions"])
        for address, change in planned.changes.items()
    }


def only(planned: Planned, name: str) -> Planned:
    """Return the part of a plan that concerns one endpoint."""
    changes = {
        kind: [change for change in planned.content.get(kind, []) if f'["{name}"].' in change["address"]]
        for kind in ("resource_changes", "resource_drift")
    }
    return Planned({**planned.content, **changes})
