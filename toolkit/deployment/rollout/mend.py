"""Endpoints that an update has left between two configurations, and how they come out of that.

A rolling update that fails and cannot be taken back either ends as `UpdateRollbackFailed`: instances of both
configurations serve, and the endpoint goes by the old one's name. If something else is planned, Terraform
updates it. If the old one is, Terraform sees nothing to do: then SageMaker is told by the toolkit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel
from toolkit.deployment.rollout.verify import Rollout

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


def warn(context: Context, found: Mapping[str, Description]) -> None:
    """Say of which endpoints it is so, whatever is planned for them.

    Args:
        context: the environment.
        found: SageMaker's descriptions by endpoint name.
    """
    for name, endpoint in found.items():
        if endpoint["EndpointStatus"] == endpoints.STUCK:
            context.console.warning(
                f"endpoint {name} is {endpoints.STUCK}: neither its last update nor the way back came to an "
                f"end, and instances of both serve; an apply brings all of them to what is planned"
            )


def bring_together(context: Context, models: Mapping[str, DeployedModel], rollout: Rollout) -> Rollout:
    """Have SageMaker bring all instances of such endpoints to the planned configuration.

    Those that the apply has updated are left as they are: what failed a moment ago is not tried again.

    Args:
        context: the environment.
        models: what was planned.
        rollout: what the apply set in motion.

    Returns:
        What is in motion now.
    """
    stuck = {
        model.endpoint_name: model.endpoint_config_name
        for model in models.values()
        if model.endpoint_name not in rollout.endpoints and _is_stuck(context, model.endpoint_name)
    }
    if not stuck:
        return rollout
    since = rollout.since or context.access.now()
    for name, configuration in stuck.items():
        context.console.line(f"{name} is {endpoints.STUCK}: bringing all of it to {configuration}")
        context.access.sagemaker.update_endpoint(
            EndpointName=name,
            EndpointConfigName=configuration,
            # As it was rolled out last, with the counts that autoscaling has chosen.
            RetainDeploymentConfig=True,
            RetainAllVariantProperties=True,
        )
    return Rollout(rollout.endpoints | stuck.keys(), since)


def _is_stuck(context: Context, name: str) -> bool:
    found = endpoints.describe(context.access, name)
    return found is not None and found["EndpointStatus"] == endpoints.STUCK
