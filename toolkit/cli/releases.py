"""`toolkit releases`."""

from __future__ import annotations

import json
from dataclasses import asdict

from toolkit.cli.options import Env, Json


def releases(env: Env, as_json: Json = False) -> None:
    """List what was applied, newest first."""
    from toolkit.console import Console
    from toolkit.deployment.context import open_context
    from toolkit.deployment.releases import recording

    console = Console()
    found = recording.releases_of(open_context(env, console)).list()
    if as_json:
        console.data(json.dumps([asdict(release) for release in found], indent=2))
        return
    for release in found:
        commit = (release.commit or "no commit")[:12] + (" and changes" if release.uncommitted else "")
        test = f", smoke test {release.smoke_test}" if release.smoke_test else ""
        console.data(
            f"{release.number}  {release.created_at}  {release.action}  {commit}  {release.created_by}{test}"
        )
