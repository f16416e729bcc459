"""What runs of an environment, asked of SageMaker and not of Terraform."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.deployment.rollout import phases

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


@dataclass(frozen=True)
class ModelStatus:
    """One model's endpoint now.

    Attributes:
        model: the name clients use.
        endpoint_name: SageMaker endpoint.
        status: SageMaker's EndpointStatus, or Paused, or Missing.
        phase: the status and, while it changes, how far SageMaker is, in words.
        as_planned: whether it serves the configuration of the last apply.
        instances: instances running, over all variants.
        desired_instances: instances wanted.
        failure_reason: SageMaker's, if it gives one.
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
        api_base_url: where clients go.
        models: each model's endpoint.
    """

    environment: str
    api_base_url: str
    models: list[ModelStatus]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def read(context: Context, outputs: Outputs) -> Status:
    """Ask SageMaker about each endpoint of a deployed environment."""
    models = []
    for name, model in outputs.models.items():
        if outputs.paused:
            models.append(_without_endpoint(name, model, "Paused", as_planned=True))
            continue
        found = endpoints.describe(context.access, model.endpoint_name)
        if found is None:
            models.append(_without_endpoint(name, model, "Missing", as_planned=False))
            continue
        variants = found.get("ProductionVariants", [])
        models.append(
            ModelStatus(
                model=name,
                endpoint_name=model.endpoint_name,
                status=found["EndpointStatus"],
                phase=phases.describe(found),
                as_planned=_serves(found, model.endpoint_config_name),
                instances=sum(variant.get("CurrentInstanceCount", 0) for variant in variants),
                desired_instances=sum(variant.get("DesiredInstanceCount", 0) for variant in variants),
                failure_reason=found.get("FailureReason"),
            )
        )
    return Status(outputs.environment, outputs.api_base_url, models)


def _serves(found: Description, configuration: str) -> bool:
    broken = found["EndpointStatus"] in endpoints.BROKEN
    return found.get("EndpointConfigName") == configuration and not broken


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
