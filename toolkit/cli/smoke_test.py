"""`toolkit smoke-test`."""

from __future__ import annotations

import json
from dataclasses import asdict

from toolkit.cli.options import Env, Json


def smoke_test(env: Env, as_json: Json = False) -> None:
    """Test a deployment, from its endpoints to a streamed response of the API."""
    from toolkit import smoke
    from toolkit.console import Console
    from toolkit.deployment import outputs
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    checks = []
    for check in smoke.run(context, outputs.read(context)):
        checks.append(check)
        if not as_json:
            console.data(check.line())
    if as_json:
        console.data(json.dumps([asdict(check) for check in checks], indent=2))
    smoke.raise_for_failures(env, checks)
