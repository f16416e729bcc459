"""Repair endpoints that Terraform's provider cannot update to the planned configuration.

A rolling update that fails and cannot be rolled back ends as `UpdateRollbackFailed`: instances of both
configurations serve, under the old configuration's name. If another configuration is planned, Terraform
updates the endpoint. If the old one is planned, Terraform sees no change, so the toolkit updates it.

The provider asks SageMaker to delete an endpoint that it replaces and does not wait (seen with 5.100.0), so
SageMaker refuses the new one of the same name. So the toolkit deletes it first; to the provider, a missing
endpoint is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.aws import endpoints, state_lock
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel
from toolkit.deployment.rollout import waiters
from toolkit.deployment.rollout.verify import Rollout
from toolkit.errors import StalePlanError
from toolkit.terraform import Plan

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


def warn_failed_rollbacks(context: Context, descriptions: Mapping[str, Description]) -> None:
    """Warn about endpoints whose roll-back failed, even if nothing is planned for them."""
    for name, endpoint in descriptions.items():
        if endpoint["EndpointStatus"] == endpoints.STUCK:
            context.console.warning(
                f"endpoint {name} is {endpoints.STUCK}: instances of both configurations serve; "
                "an apply brings all of them to the planned one"
            )


def reconcile_failed_rollbacks(
    context: Context, models: Mapping[str, DeployedModel], rollout: Rollout
) -> Rollout:
    """Update endpoints whose roll-back failed to the planned configuration.

    Endpoints that this apply has updated are skipped: their update failed just now.

    Args:
        context: the environment.
        models: the planned models.
        rollout: what the apply changed.

    Returns:
        The rollout including these endpoints.
    """
    names = [model.endpoint_name for model in models.values()]
    descriptions = waiters.describe(context, [name for name in names if name not in rollout.endpoints])
    stuck = {
        model.endpoint_name: model.endpoint_config_name
        for model in models.values()
        if model.endpoint_name in descriptions
        and descriptions[model.endpoint_name]["EndpointStatus"] == endpoints.STUCK
    }
    if not stuck:
        return rollout
    since = rollout.since or context.access.now()
    for name, configuration in stuck.items():
        context.console.line(f"{name} is {endpoints.STUCK}: updating all its instances to {configuration}")
        context.access.sagemaker.update_endpoint(
            EndpointName=name,
            EndpointConfigName=configuration,
            # As in its last rollout, with the counts that autoscaling has chosen.
            RetainDeploymentConfig=True,
            RetainAllVariantProperties=True,
        )
    return replace(rollout, endpoints=rollout.endpoints | stuck.keys(), since=since)


def delete_before_create(context: Context, plan: Plan, names: Collection[str]) -> None:
    """Delete endpoints that a plan replaces, and wait until SageMaker has deleted them.

    Args:
        context: the environment.
        plan: the plan about to be applied.
        names: the endpoints.

    Raises:
        StateError: the state is locked, or changed since the plan was created; nothing was deleted.
    """
    if not names:
        return
    environment = context.environment
    # Another holder of the lock could keep Terraform from creating the new endpoints.
    with state_lock.held(
        context.access,
        environment.state_bucket,
        environment.state_key,
        "replace",
        context.console,
        context.lock_timeout_seconds,
    ):
        # Terraform would refuse a stale plan only after the endpoints are gone.
        changes = context.state_changes(*plan.state_version())
        if changes:
            raise StalePlanError(details=changes)
        for name in names:
            endpoints.delete(context.access, name)
        waiters.wait_until_stable(context, names)
