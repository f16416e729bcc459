"""Waiting until SageMaker is done with endpoints.

While it works on one it refuses to update or delete it, and Terraform's provider takes the refusal of a
deletion for a success: whoever changes or destroys waits first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from toolkit.aws import endpoints
from toolkit.deployment.context import Context
from toolkit.deployment.rollout import phases, watch
from toolkit.environment import endpoint_name

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description


def names(context: Context) -> dict[str, str]:
    """The endpoints of the environment file, by model."""
    return {model: endpoint_name(context.environment.prefix, model) for model in context.environment.models}


def settled(context: Context, wanted: Iterable[str]) -> dict[str, Description]:
    """The endpoints that exist of those wanted, once SageMaker works on none of them any more.

    SageMaker ends every work by itself, at the latest after its own time-outs; Ctrl-C ends the waiting.
    """
    found = _describe(context, wanted)
    if not _moving(found):
        return found
    rhythm = watch.pace(context.access)
    shown: dict[str, str] = {}
    with context.console.progress("waiting for SageMaker") as progress:
        while moving := _moving(found):
            states = {name: phases.describe(found[name]) for name in moving}
            for name, state in states.items():
                if shown.get(name) != state:
                    progress.change(f"{name}: {state}")
            progress.update("; ".join(f"{name}: {state}" for name, state in states.items()))
            # Nothing tells when an endpoint moves on: SageMaker has no event to wait for here.
            time.sleep(rhythm.next(changed=states != shown))
            shown = states
            found = {name: known for name, known in found.items() if name not in moving}
            found |= _describe(context, moving)
    return found


def failed(context: Context, found: Mapping[str, Description]) -> list[str]:
    """The models whose endpoints are Failed: SageMaker deletes such a one, and does nothing else with it."""
    return [
        model
        for model, name in names(context).items()
        if name in found and found[name]["EndpointStatus"] == "Failed"
    ]


def _describe(context: Context, wanted: Iterable[str]) -> dict[str, Description]:
    described = {name: endpoints.describe(context.access, name) for name in wanted}
    return {name: found for name, found in described.items() if found is not None}


def _moving(found: dict[str, Description]) -> list[str]:
    return [name for name, known in found.items() if known["EndpointStatus"] in endpoints.MOVING]
