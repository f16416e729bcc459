"""`toolkit smoke-test`."""

from __future__ import annotations

import json
from dataclasses import asdict

from toolkit.cli.options import Env, Json


def smoke_test(env: Env, as_json: Json = False) -> None:
    """Test a rollout from the endpoint to a streamed answer of the API."""
    from toolkit import smoke
    from toolkit.console import Console
    from toolkit.deployment import inference, outputs
    from toolkit.deployment.context import open_context
    from toolkit.errors import SmokeTestError
    from toolkit.keys import DEFAULT_KEY

    console = Console()
    context = open_context(env, console)
    deployed = outputs.read(context)
    api_key = inference.keys_of(context, deployed).show(DEFAULT_KEY)
    checks = []
    for check in smoke.run(context.access, deployed, api_key):
        checks.append(check)
        if not as_json:
            mark = "ok  " if check.ok else "FAIL"
            console.data(f"{mark} {check.model}: {check.name} ({check.seconds:.2f} s): {check.detail}")
    if as_json:
        console.data(json.dumps([asdict(check) for check in checks], indent=2))
    failed = [check for check in checks if not check.ok]
    if failed:
        raise SmokeTestError(
            f"{len(failed)} of {len(checks)} checks failed, the first: {failed[0].model}: {failed[0].name}",
            remedy=f"`toolkit status --env {env}` shows the endpoints",
        )
