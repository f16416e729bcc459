"""Whether SageMaker serves what was planned.

Terraform's provider reports success when SageMaker has rolled a deployment back
(terraform-provider-aws #46663, #48997), so SageMaker itself is asked.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from toolkit.aws import loggroups
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.errors import RolloutError

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

# Statuses that SageMaker leaves by itself.
MOVING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
LOG_LINES = 15


def endpoints(context: Context, outputs: Outputs) -> None:
    """See that each endpoint is InService on the configuration and the variants that were planned.

    Raises:
        RolloutError: one is not; with SageMaker's reason and the end of the container's log.
    """
    for name, model in outputs.models.items():
        with context.console.progress(f"verifying {model.endpoint_name}") as progress:
            started = time.monotonic()
            while (found := describe(context, model))["EndpointStatus"] in MOVING:
                progress.update(f"{found['EndpointStatus']} for {time.monotonic() - started:.0f} s")
                # Nothing tells when an endpoint moves on: SageMaker has no event to wait for here.
                time.sleep(0.2 if context.environment.is_local else 5)
        _hold_against_plan(context, name, model, found)


def describe(context: Context, model: DeployedModel) -> DescribeEndpointOutputTypeDef:
    """SageMaker's own description of a model's endpoint."""
    return context.access.sagemaker.describe_endpoint(EndpointName=model.endpoint_name)


def _hold_against_plan(
    context: Context, name: str, model: DeployedModel, found: DescribeEndpointOutputTypeDef
) -> None:
    variants = sorted(variant["VariantName"] for variant in found.get("ProductionVariants", []))
    problem = None
    if found["EndpointStatus"] != "InService":
        problem = f"endpoint {model.endpoint_name} is {found['EndpointStatus']}"
    elif found["EndpointConfigName"] != model.endpoint_config_name:
        problem = (
            f"endpoint {model.endpoint_name} serves {found['EndpointConfigName']}, "
            f"not the planned {model.endpoint_config_name}: SageMaker rolled back"
        )
    elif variants != sorted(model.variant_names):
        problem = f"endpoint {model.endpoint_name} has the variants {variants}, not {model.variant_names}"
    if problem is None:
        return
    details = [f"reason: {found['FailureReason']}"] if "FailureReason" in found else []
    log = loggroups.tail(context.access, f"/aws/sagemaker/Endpoints/{model.endpoint_name}", LOG_LINES)
    details += ["the container's last log lines:", *(f"  {line}" for line in log)] if log else []
    raise RolloutError(
        problem,
        where=f"models.{name}",
        details=details,
        remedy=f"correct {context.environment.file} and apply again; the endpoint is left as it is",
    )
