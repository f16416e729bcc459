"""`toolkit drift`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Json, LockTimeout, Markdown


def drift(
    env: Env, as_json: Json = False, as_markdown: Markdown = False, lock_timeout: LockTimeout = 0
) -> None:
    """Show what was changed outside of Terraform since the last apply; exit 8 if something was."""
    from toolkit.console import Console
    from toolkit.deployment.context import open_context
    from toolkit.deployment.plans import drift as detection
    from toolkit.deployment.plans import drifttext

    console = Console()
    found = detection.detect(open_context(env, console, lock_timeout=lock_timeout))
    if as_json:
        console.data(json.dumps(drifttext.as_data(found), indent=2))
    else:
        console.data(drifttext.markdown(found) if as_markdown else drifttext.plain(found))
    found.raise_if_any()
