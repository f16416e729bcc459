"""Wait until SageMaker has finished working on endpoints.

Until then it refuses to update or delete them, and the provider mistakes a refused deletion for success, so
every change and every destroy waits first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment.context import Context
from toolkit.deployment.rollout import status
from toolkit.environment import endpoint_name

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


class Pace:
    """Polling intervals that grow while nothing happens and shrink after a change."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest, self._longest = shortest, longest
        self.seconds = shortest

    def next(self, *, changed: bool) -> float:
        """The next interval in seconds."""
        self.seconds = self._shortest if changed else min(self.seconds * 1.5, self._longest)
        return self.seconds


def pace(access: AwsAccess) -> Pace:
    """SageMaker throttles calls; the embedded cloud does not."""
    return Pace(0.2, 0.5) if access.endpoint_url else Pace(5, 30)


def endpoint_names(context: Context) -> dict[str, str]:
    """The endpoints of the environment file, by model."""
    return {model: endpoint_name(context.environment.prefix, model) for model in context.environment.models}


def describe(context: Context, names: Iterable[str]) -> dict[str, Description]:
    """SageMaker's descriptions of the endpoints that exist, by name; several requests at a time."""
    names = list(names)
    descriptions = map_concurrently(lambda name: endpoints.describe(context.access, name), names)
    return {
        name: endpoint for name, endpoint in zip(names, descriptions, strict=True) if endpoint is not None
    }


def wait_until_stable(context: Context, names: Iterable[str]) -> dict[str, Description]:
    """Descriptions of the endpoints that exist, once SageMaker works on none of them.

    SageMaker finishes every operation, at the latest after its own time-outs; Ctrl-C ends the waiting.
    """
    stable = describe(context, names)
    if not _in_progress(stable):
        return stable
    polling = pace(context.access)
    reported: dict[str, str] = {}
    with context.console.progress("waiting for SageMaker") as progress:
        while moving := _in_progress(stable):
            phases = {name: status.phase(stable[name]) for name in moving}
            for name, phase in phases.items():
                if reported.get(name) != phase:
                    progress.change(f"{name}: {phase}")
            progress.update("; ".join(f"{name}: {phase}" for name, phase in phases.items()))
            # SageMaker has no event to wait for.
            time.sleep(polling.next(changed=phases != reported))
            reported = phases
            stable = {name: endpoint for name, endpoint in stable.items() if name not in moving}
            stable |= describe(context, moving)
    return stable


def failed_models(context: Context, descriptions: Mapping[str, Description]) -> list[str]:
    """The models whose endpoints are Failed: SageMaker can only delete these."""
    return [
        model
        for model, name in endpoint_names(context).items()
        if name in descriptions and descriptions[name]["EndpointStatus"] == "Failed"
    ]


def instance_counts(context: Context, descriptions: Mapping[str, Description]) -> dict[str, dict[str, int]]:
    """Desired instances by model and variant, of the endpoints that exist.

    A new endpoint configuration starts with them (terraform-provider-aws #48990: with its own count, it would
    shrink a fleet that autoscaling has grown).
    """
    return {
        model: {
            variant["VariantName"]: variant["DesiredInstanceCount"]
            for variant in descriptions[name].get("ProductionVariants", [])
            if variant.get("DesiredInstanceCount")
        }
        for model, name in endpoint_names(context).items()
        if name in descriptions
    }


def _in_progress(descriptions: Mapping[str, Description]) -> list[str]:
    return [name for name, endpoint in descriptions.items() if endpoint["EndpointStatus"] in endpoints.MOVING]
