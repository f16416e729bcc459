"""How many instances serve now: what autoscaling has chosen, and an apply must keep."""

from __future__ import annotations

from botocore.exceptions import ClientError

from toolkit.deployment.context import Context
from toolkit.environment import endpoint_name

MISSING = {"ValidationException"}  # what SageMaker calls an endpoint that does not exist


def instance_counts(context: Context) -> dict[str, dict[str, int]]:
    """Wanted instances by model and variant, of the endpoints that exist.

    A new endpoint configuration starts with these (terraform-provider-aws #48990: with its own count, it
    would shrink a fleet that autoscaling has grown).
    """
    counts: dict[str, dict[str, int]] = {}
    for model in context.environment.models:
        name = endpoint_name(context.environment.prefix, model)
        try:
            found = context.access.sagemaker.describe_endpoint(EndpointName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                continue
            raise
        variants = found.get("ProductionVariants", [])
        counts[model] = {
            variant["VariantName"]: variant["DesiredInstanceCount"]
            for variant in variants
            if variant.get("DesiredInstanceCount")
        }
    return counts
