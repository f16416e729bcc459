"""The models that an environment serves now, as SageMaker reports them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from toolkit.aws import endpoints
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description

# SageMaker's VariantStatus, in the order of an update.
_STAGES = {
    "Creating": "starting instances",
    "Updating": "changing the number of instances",
    "ActivatingTraffic": "shifting traffic",
    "Baking": "baking",
    "Deleting": "removing instances",
}


@dataclass(frozen=True)
class ModelStatus:
    """One model's endpoint now.

    Attributes:
        model: the model's name in the API.
        endpoint_name: SageMaker endpoint.
        status: SageMaker's EndpointStatus, or Paused, or Missing.
        phase: the status and, during a change, its progress in words.
        as_planned: whether it serves the configuration of the last apply.
        instances: running instances, over all variants.
        desired_instances: desired instances.
        failure_reason: SageMaker's, if there is one.
    """

    model: str
    endpoint_name: str
    status: str
    phase: str
    as_planned: bool
    instances: int
    desired_instances: int
    failure_reason: str | None


@dataclass(frozen=True)
class Status:
    """An environment now.

    Attributes:
        environment: its name.
        api_base_url: base URL of the API.
        models: each model's endpoint.
    """

    environment: str
    api_base_url: str
    models: list[ModelStatus]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def read(context: Context, outputs: Outputs) -> Status:
    """The status of each endpoint of a deployed environment."""

    def model_status(item: tuple[str, DeployedModel]) -> ModelStatus:
        name, model = item
        if outputs.paused:
            return _without_endpoint(name, model, "Paused", as_planned=True)
        endpoint = endpoints.describe(context.access, model.endpoint_name)
        if endpoint is None:
            return _without_endpoint(name, model, "Missing", as_planned=False)
        variants = endpoint.get("ProductionVariants", [])
        return ModelStatus(
            model=name,
            endpoint_name=model.endpoint_name,
            status=endpoint["EndpointStatus"],
            phase=phase(endpoint),
            as_planned=_serves(endpoint, model.endpoint_config_name),
            instances=sum(variant.get("CurrentInstanceCount", 0) for variant in variants),
            desired_instances=sum(variant.get("DesiredInstanceCount", 0) for variant in variants),
            failure_reason=endpoint.get("FailureReason"),
        )

    models = map_concurrently(model_status, outputs.models.items())
    return Status(outputs.environment, outputs.api_base_url, models)


def phase(endpoint: Description | None) -> str:
    """One line about an endpoint: its status, its stage and, during an update, the new fleet's traffic."""
    if endpoint is None:
        return "missing"
    pending = endpoint.get("PendingDeploymentSummary")
    fleet: list[Any] = list((pending or endpoint).get("ProductionVariants") or [])
    parts = [endpoint["EndpointStatus"], *stages(endpoint)]
    if endpoint["EndpointStatus"] == "Creating" and fleet:
        parts.append(f"{_sum(fleet, 'CurrentInstanceCount'):.0f} instances")
    elif pending is not None:
        parts.append(f"{new_fleet_share(endpoint)} % of the traffic on the new fleet")
    return ", ".join(parts)


def stages(endpoint: Description) -> list[str]:
    """The stages of the operation in progress, in words."""
    fleets = (endpoint.get("PendingDeploymentSummary"), endpoint)
    statuses = _stages(
        [variant for fleet in fleets if fleet for variant in fleet.get("ProductionVariants") or []]
    )
    return [words for stage, words in _STAGES.items() if stage in statuses]


def new_fleet_share(endpoint: Description) -> int:
    """Percentage of the traffic on the fleet that an update moves to; 0 while that fleet starts."""
    new: list[Any] = list((endpoint.get("PendingDeploymentSummary") or {}).get("ProductionVariants") or [])
    if "Creating" in _stages(new):
        return 0  # its weights may be set before it has instances
    new_weight, old_weight = (
        _sum(new, "CurrentWeight"),
        _sum(endpoint.get("ProductionVariants", []), "CurrentWeight"),
    )
    return round(100 * new_weight / (new_weight + old_weight)) if new_weight else 0


def _stages(variants: Iterable[Any]) -> set[str]:
    return {status["Status"] for variant in variants for status in variant.get("VariantStatus") or []}


def _sum(variants: Iterable[Any], member: str) -> float:
    return float(sum(variant.get(member) or 0 for variant in variants))


def _serves(endpoint: Description, configuration: str) -> bool:
    broken = endpoint["EndpointStatus"] in endpoints.BROKEN
    return endpoint.get("EndpointConfigName") == configuration and not broken


def _without_endpoint(name: str, model: DeployedModel, status: str, *, as_planned: bool) -> ModelStatus:
    return ModelStatus(
        model=name,
        endpoint_name=model.endpoint_name,
        status=status,
        phase=status,
        as_planned=as_planned,
        instances=0,
        desired_instances=0,
        failure_reason=None,
    )
