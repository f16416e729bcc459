"""`toolkit releases`."""

from __future__ import annotations

import json
from dataclasses import asdict

from toolkit.cli.options import Env, Json


def releases(env: Env, as_json: Json = False) -> None:
    """List releases, newest first."""
    from toolkit.console import Console
    from toolkit.deployment import releases
    from toolkit.deployment.context import open_context

    console = Console()
    history = releases.of(open_context(env, console)).list()
    if as_json:
        console.data(json.dumps([asdict(release) for release in history], indent=2))
        return
    for release in history:
        commit = (release.commit or "no commit")[:12] + (" and changes" if release.uncommitted else "")
        test = f", smoke test {release.smoke_test}" if release.smoke_test else ""
        met = ", expectations met" if release.quality else ""
        console.data(
            f"{release.number}  {release.created_at}  {release.action}  {commit}  {release.created_by}"
            f"{test}{met}"
        )
