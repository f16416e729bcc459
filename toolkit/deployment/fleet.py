"""How many instances serve now: what autoscaling has chosen, and an apply must keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toolkit.deployment.context import Context
from toolkit.deployment.rollout import settle

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


def instance_counts(context: Context, found: Mapping[str, Description]) -> dict[str, dict[str, int]]:
    """Wanted instances by model and variant, of the endpoints that exist.

    A new endpoint configuration starts with these (terraform-provider-aws #48990: with its own count, it
    would shrink a fleet that autoscaling has grown).

    Args:
        context: the environment.
        found: SageMaker's descriptions by endpoint name.
    """
    counts: dict[str, dict[str, int]] = {}
    for model, name in settle.names(context).items():
        if name in found:
            counts[model] = {
                variant["VariantName"]: variant["DesiredInstanceCount"]
                for variant in found[name].get("ProductionVariants", [])
                if variant.get("DesiredInstanceCount")
            }
    return counts
