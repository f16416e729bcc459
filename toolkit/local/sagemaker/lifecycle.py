"""An endpoint's states between two operations.

Creating ──▶ InService ──▶ Updating ──▶ InService       with the new configuration
    │            │             └──▶ RollingBack ──▶ InService    with the old one and a FailureReason
    │            │                       └──▶ UpdateRollbackFailed    with both, until the next update
    └──▶ Failed  └──▶ Deleting ──▶ deleted
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from toolkit.local.cloudwatch.service import Metrics
from toolkit.local.sagemaker.access import ExecutionRole
from toolkit.local.sagemaker.deployment import Deployment, DeploymentPolicy
from toolkit.local.sagemaker.exceptions import DeploymentError, FleetError, RoleDeniedError
from toolkit.local.sagemaker.fleet import Fleet, Stage
from toolkit.local.sagemaker.models import Endpoint
from toolkit.local.service import ACCOUNT_ID

_log = logging.getLogger(__name__)


async def create(endpoint: Endpoint, fleet: Fleet) -> None:
    """Start the first fleet of an endpoint."""
    fleet.stage = Stage("Creating")
    try:
        await fleet.resize()
    except FleetError as error:
        await fleet.stop()
        endpoint.change("Failed", str(error))
        return
    fleet.stage = None
    endpoint.fleet = fleet
    endpoint.traffic.shares = [(fleet, 1.0)]
    endpoint.change("InService")


async def update(
    endpoint: Endpoint, blue: Fleet, green: Fleet, policy: DeploymentPolicy, metrics: Metrics
) -> None:
    """Shift an endpoint from its blue fleet to the green one, and roll back if that fails."""
    deployment = Deployment(endpoint.traffic, blue, green, policy)
    alarm = _wait_for_alarm(metrics, endpoint.region, policy.alarms)
    try:
        _check_role(blue, policy.alarms)
        await deployment.run(alarm)
    except (DeploymentError, FleetError, RoleDeniedError) as error:
        await _roll_back(endpoint, deployment, str(error))
    else:
        await deployment.finish()
        endpoint.fleet, endpoint.configuration = green, green.configuration
        endpoint.change("InService")
    finally:
        alarm.close()


async def _roll_back(endpoint: Endpoint, deployment: Deployment, reason: str) -> None:
    if deployment.has_shifted_traffic:
        endpoint.change("RollingBack", reason)
    try:
        await deployment.roll_back()
    except FleetError as error:
        # Each fleet keeps its traffic and its instances.
        for fleet in endpoint.fleets:
            fleet.stage = None
        endpoint.change("UpdateRollbackFailed", f"{reason} The old fleet could not be restored: {error}")
    else:
        # As on AWS: only the FailureReason and the configuration show that the update rolled back.
        endpoint.change("InService", reason)


async def _wait_for_alarm(metrics: Metrics, region: str, names: Collection[str]) -> str:
    name, reason = await metrics.wait_for_alarm(region, names)
    return f"{name} ({reason})"


def _check_role(fleet: Fleet, alarms: Collection[str]) -> None:
    # SageMaker reads the alarms with the model's execution role.
    role = ExecutionRole(fleet.context.enforcement, fleet.variants[0].model.get("ExecutionRoleArn", ""))
    for name in alarms:
        arn = f"arn:aws:cloudwatch:{fleet.context.region}:{ACCOUNT_ID}:alarm:{name}"
        role.require("cloudwatch:DescribeAlarms", arn, {})


async def resize(endpoint: Endpoint, fleet: Fleet) -> None:
    """Start or stop instances of a fleet until it has the desired ones."""
    fleet.stage = Stage("Updating")
    try:
        await fleet.resize()
    except FleetError as error:
        for variant in fleet.all_variants:
            variant.desired_count = len(variant.instances)
        endpoint.change("InService", str(error))
    else:
        endpoint.change("InService")
    finally:
        fleet.stage = None


async def delete(endpoint: Endpoint) -> None:
    """Stop all processes of an endpoint."""
    fleets, endpoint.traffic.shares = endpoint.fleets, []
    for fleet in fleets:
        await fleet.stop()
