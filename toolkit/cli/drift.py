"""`toolkit drift`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Html, Json, LockTimeout, Markdown, choose_format


def drift(
    env: Env,
    as_json: Json = False,
    as_markdown: Markdown = False,
    as_html: Html = False,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Show changes made outside of Terraform since the last apply; exit 8 if there are any."""
    from toolkit.console import Console
    from toolkit.deployment import lifecycle

    console = Console()
    form = choose_format(json=as_json, markdown=as_markdown, html=as_html)
    drift = lifecycle.drift(env, console, lock_timeout)
    formats = {
        "json": lambda: json.dumps(drift.as_data(), indent=2),
        "markdown": drift.as_markdown,
        "html": drift.as_html,
        "text": drift.as_text,
    }
    console.data(formats[form]())
    drift.raise_if_any()
