"""Whether SageMaker serves what was planned.

Terraform's provider reports success when SageMaker has rolled a deployment back
(terraform-provider-aws #46663, #48997). The module's postcondition makes Terraform fail then; why, and what
serves now, SageMaker itself is asked.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from toolkit.aws import loggroups
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.errors import RolloutError

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

# Statuses that SageMaker leaves by itself.
MOVING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"}
MISSING = {"ValidationException"}  # what SageMaker calls an endpoint that does not exist
LOG_LINES = 15


def endpoints(context: Context, outputs: Outputs) -> None:
    """See that each endpoint is InService on the configuration and the variants that were planned.

    Raises:
        RolloutError: one is not; with SageMaker's reason and the end of the container's log.
    """
    if outputs.paused:
        return
    for name, model in outputs.models.items():
        error = _difference(context, name, model, _settled(context, model))
        if error is not None:
            raise error


def describe(context: Context, model: DeployedModel) -> DescribeEndpointOutputTypeDef:
    """SageMaker's own description of a model's endpoint."""
    return context.access.sagemaker.describe_endpoint(EndpointName=model.endpoint_name)


def failed_rollouts(
    context: Context, models: Mapping[str, DeployedModel], complaint: str
) -> list[RolloutError]:
    """An error for each endpoint that Terraform complains of and that is not what was planned; raises none.

    Args:
        context: the environment.
        models: what was planned.
        complaint: what Terraform says.
    """
    errors = []
    for name, model in models.items():
        if not re.search(rf"(?<![\w-]){re.escape(model.endpoint_name)}(?![\w-])", complaint):
            continue
        try:
            error = _difference(context, name, model, _settled(context, model))
        except ClientError as refusal:
            if refusal.response["Error"]["Code"] in MISSING:
                continue
            raise
        errors += [error] if error is not None else []
    return errors


def _settled(context: Context, model: DeployedModel) -> DescribeEndpointOutputTypeDef:
    """An endpoint's description once SageMaker is done with it."""
    with context.console.progress(f"verifying {model.endpoint_name}") as progress:
        started = time.monotonic()
        while (found := describe(context, model))["EndpointStatus"] in MOVING:
            progress.update(f"{found['EndpointStatus']} for {time.monotonic() - started:.0f} s")
            # Nothing tells when an endpoint moves on: SageMaker has no event to wait for here.
            time.sleep(0.2 if context.environment.is_local else 5)
    return found


def _difference(
    context: Context, name: str, model: DeployedModel, found: DescribeEndpointOutputTypeDef
) -> RolloutError | None:
    variants = sorted(variant["VariantName"] for variant in found.get("ProductionVariants", []))
    text = None
    if found["EndpointStatus"] != "InService":
        text = f"endpoint {model.endpoint_name} is {found['EndpointStatus']}"
    elif found["EndpointConfigName"] != model.endpoint_config_name:
        text = (
            f"endpoint {model.endpoint_name} serves {found['EndpointConfigName']}, "
            f"not the planned {model.endpoint_config_name}: SageMaker rolled back"
        )
    elif variants != sorted(model.variant_names):
        text = f"endpoint {model.endpoint_name} has the variants {variants}, not {model.variant_names}"
    return None if text is None else _rollout_error(context, name, model.endpoint_name, text, found)


def _rollout_error(
    context: Context, name: str, endpoint: str, text: str, found: DescribeEndpointOutputTypeDef
) -> RolloutError:
    details = [f"reason: {found['FailureReason']}"] if "FailureReason" in found else []
    log = loggroups.tail(context.access, f"/aws/sagemaker/Endpoints/{endpoint}", LOG_LINES)
    details += ["the container's last log lines:", *(f"  {line}" for line in log)] if log else []
    return RolloutError(
        text,
        where=f"models.{name}",
        details=details,
        remedy=f"correct {context.environment.file} and apply again; the endpoint is left as it is",
    )
