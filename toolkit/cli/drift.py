"""`toolkit drift`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Json, LockTimeout, Markdown


def drift(
    env: Env, as_json: Json = False, as_markdown: Markdown = False, lock_timeout: LockTimeout = 0
) -> None:
    """Show changes made outside of Terraform since the last apply; exit 8 if there are any."""
    from toolkit.console import Console
    from toolkit.deployment import lifecycle

    console = Console()
    drift = lifecycle.drift(env, console, lock_timeout)
    if as_json:
        console.data(json.dumps(drift.as_data(), indent=2))
    else:
        console.data(drift.as_markdown() if as_markdown else drift.as_text())
    drift.raise_if_any()
