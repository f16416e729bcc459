"""`toolkit outputs`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Json


def outputs(env: Env, as_json: Json = False) -> None:
    """Print addresses and names of a deployed environment."""
    from toolkit.console import Console
    from toolkit.deployment import outputs as deployed
    from toolkit.deployment.context import open_context

    console = Console()
    found = deployed.read(open_context(env, console)).as_json()
    if as_json:
        console.data(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                text = inner if isinstance(inner, str) else inner["endpoint_name"]
                console.data(f"{name}.{key}: {text}")
        else:
            console.data(f"{name}: {value}")
