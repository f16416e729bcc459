"""The costs of the instances that run now."""

from __future__ import annotations

from collections import Counter

from toolkit.aws import endpoints
from toolkit.aws.concurrent import map_concurrently
from toolkit.cost.estimate import Item, instances, label, volumes
from toolkit.cost.prices import Prices
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel, Outputs
from toolkit.errors import PreflightError


def read(context: Context, outputs: Outputs, prices: Prices) -> tuple[Item, ...]:
    """The instances of each deployed endpoint, and what they cost; both fleets during an update.

    Args:
        context: the environment.
        outputs: what is deployed.
        prices: the prices of the region.

    Raises:
        PreflightError: the environment is paused.
    """
    if outputs.paused:
        raise PreflightError(f"environment {outputs.environment} is paused: no instances run")

    def items(deployed: tuple[str, DeployedModel]) -> list[Item]:
        name, model = deployed
        endpoint = endpoints.describe(context.access, model.endpoint_name)
        if endpoint is None:
            return [Item(name, "no endpoint", 0, 0)]
        counts: Counter[tuple[str, str, int | None]] = Counter()
        for fleet in endpoints.fleets(context.access, endpoint):
            counts[label(name, fleet.variant), fleet.instance_type, fleet.volume_gb] += fleet.instances
        costs: list[Item] = []
        for (variant, instance_type, size), count in counts.items():
            costs.append(instances(variant, instance_type, (count, count), prices))
            costs += volumes(variant, instance_type, size, (count, count), prices)
        return costs

    return tuple(item for of in map_concurrently(items, outputs.models.items()) for item in of)
