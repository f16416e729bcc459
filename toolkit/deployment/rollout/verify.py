"""Whether SageMaker serves what was planned.

Terraform's provider reports success when SageMaker has rolled a deployment back
(terraform-provider-aws #46663, #48997). The module's postcondition makes Terraform fail then; why, and what
serves now, SageMaker itself is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from toolkit.aws.endpoints import STUCK
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.deployment.rollout import evidence
from toolkit.deployment.rollout.settle import settled
from toolkit.errors import RolloutError

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


@dataclass(frozen=True)
class Rollout:
    """What an apply set in motion.

    Attributes:
        endpoints: names of the endpoints that its plan creates or updates.
        since: when it began, by AWS's clock; None if it changed nothing.
    """

    endpoints: frozenset[str] = frozenset()
    since: datetime | None = None


def endpoints(context: Context, outputs: Outputs, rollout: Rollout) -> None:
    """See that each endpoint is InService on the configuration and the variants that were planned.

    Raises:
        RolloutError: some are not; with SageMaker's reasons, alarms and the end of the containers' logs.
    """
    if not outputs.paused:
        _raise(_differences(context, outputs.models, rollout))


def failed_rollouts(
    context: Context, models: Mapping[str, DeployedModel], rollout: Rollout, complaint: str
) -> RolloutError | None:
    """The error about the endpoints that Terraform complains of and that are not what was planned.

    Args:
        context: the environment.
        models: what was planned.
        rollout: what the apply set in motion.
        complaint: what Terraform says.
    """
    blamed = {name: model for name, model in models.items() if _names(complaint, model.endpoint_name)}
    return _together(_differences(context, blamed, rollout))


def _names(complaint: str, endpoint: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(endpoint)}(?![\w-])", complaint) is not None


def _differences(
    context: Context, models: Mapping[str, DeployedModel], rollout: Rollout
) -> list[RolloutError]:
    found = settled(context, [model.endpoint_name for model in models.values()])
    errors = []
    for name, model in models.items():
        endpoint = found.get(model.endpoint_name)
        text = _difference(model, endpoint, rollout)
        if text is not None:
            details = _details(context, model, endpoint, rollout)
            remedy = f"correct {context.environment.file} and apply again; the endpoint is left as it is"
            errors.append(RolloutError(text, where=f"models.{name}", details=details, remedy=remedy))
    return errors


def _difference(model: DeployedModel, found: Description | None, rollout: Rollout) -> str | None:
    """What is not as planned about an endpoint, in one sentence; None if all is."""
    name = model.endpoint_name
    if found is None:
        return f"endpoint {name} does not exist"
    status, configuration = found["EndpointStatus"], found.get("EndpointConfigName")
    variants = sorted(variant["VariantName"] for variant in found.get("ProductionVariants", []))
    if status != "InService":
        return f"endpoint {name} is {status}"
    if configuration != model.endpoint_config_name:
        return (
            f"endpoint {name} was rolled back by SageMaker: it is on {configuration}, "
            f"not on the planned {model.endpoint_config_name}"
        )
    if variants != sorted(model.variant_names):
        return f"endpoint {name} has the variants {variants}, not {model.variant_names}"
    # A reason stays until the next update: one of an earlier apply says nothing about this one.
    if found.get("FailureReason") and name in rollout.endpoints:
        return f"endpoint {name} is on {configuration} as planned, but SageMaker says that its update failed"
    return None


def _details(
    context: Context, model: DeployedModel, found: Description | None, rollout: Rollout
) -> list[str]:
    reason = found.get("FailureReason") if found else None
    since = rollout.since if model.endpoint_name in rollout.endpoints else None
    return [
        *([f"reason: {reason}"] if reason else []),
        *evidence.alarms(context.access, model.alarm_names, since),
        f"serves now: {_serving(found)}",
        *evidence.log(context.access, model.endpoint_name, since),
    ]


def _serving(found: Description | None) -> str:
    if found is None or found["EndpointStatus"] == "Failed":
        return "nothing"
    if found["EndpointStatus"] == STUCK:
        return f"a mix of {found.get('EndpointConfigName')} and of what its last update was to bring"
    return str(found.get("EndpointConfigName"))


def _raise(errors: list[RolloutError]) -> None:
    error = _together(errors)
    if error is not None:
        raise error


def _together(errors: Iterable[RolloutError]) -> RolloutError | None:
    """One error for all: the only one itself, or one that shows each of several whole."""
    all_errors = list(errors)
    if len(all_errors) < 2:
        return all_errors[0] if all_errors else None
    lines = [
        line
        for error in all_errors
        for line in (f"{error.where}: {error.message}", *(f"  {detail}" for detail in error.details))
    ]
    return RolloutError(
        f"{len(all_errors)} endpoints do not serve what was planned",
        details=lines,
        remedy=all_errors[0].remedy,
    )
