"""`toolkit releases`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.cli.options import Env, Json

if TYPE_CHECKING:
    from toolkit.deployment.releases import Release


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
        console.data(_line(release))


def _line(release: Release) -> str:
    commit = (release.commit or "no commit")[:12] + (" and changes" if release.uncommitted else "")
    test = f", smoke test {release.smoke_test}" if release.smoke_test else ""
    met = ""
    if release.quality and not release.paused:
        # `rollback` and `resume` ask nothing: they return to a configuration that was judged before.
        met = ", expectations met" if release.action == "apply" else ", expectations met earlier"
    return (
        f"{release.number}  {release.created_at}  {release.action}  {commit}  {release.created_by}{test}{met}"
    )
