"""`toolkit status`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Json


def status(env: Env, as_json: Json = False) -> None:
    """Show the endpoints of an environment."""
    from toolkit.console import Console
    from toolkit.deployment import expiry, outputs
    from toolkit.deployment.context import open_context
    from toolkit.deployment.rollout import status
    from toolkit.report.drift import utc

    console = Console()
    context = open_context(env, console)
    current = status.read(context, outputs.read(context))
    record = expiry.read(context, env) if context.environment.ttl else None
    expires_at = utc(record.expires_at) if record is not None and record.expires_at else None
    if as_json:
        data = current.as_json()
        if expires_at is not None:
            data["expires_at"] = expires_at
        console.data(json.dumps(data, indent=2))
        return
    console.data(f"{env}: {current.api_base_url}")
    for model in current.models:
        line = f"  {model.model}: {model.phase}; {model.instances} of {model.desired_instances} instances"
        if not model.as_planned:
            line += ", NOT on the configuration of the last apply"
        if model.failure_reason:
            line += f" ({model.failure_reason})"
        console.data(line)
    if expires_at is not None:
        console.data(f"  expires at {expires_at}, unless it is applied again")
