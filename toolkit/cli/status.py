"""`toolkit status`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Json


def status(env: Env, as_json: Json = False) -> None:
    """Show the endpoints of an environment."""
    from toolkit.console import Console
    from toolkit.deployment import outputs
    from toolkit.deployment.context import open_context
    from toolkit.deployment.rollout import status

    console = Console()
    context = open_context(env, console)
    current = status.read(context, outputs.read(context))
    if as_json:
        console.data(json.dumps(current.as_json(), indent=2))
        return
    console.data(f"{env}: {current.api_base_url}")
    for model in current.models:
        line = f"  {model.model}: {model.phase}; {model.instances} of {model.desired_instances} instances"
        if not model.as_planned:
            line += ", NOT on the configuration of the last apply"
        if model.failure_reason:
            line += f" ({model.failure_reason})"
        console.data(line)
