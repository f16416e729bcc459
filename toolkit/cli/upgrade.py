"""`toolkit upgrade`."""

from __future__ import annotations

from typing import Annotated

import typer


def upgrade(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Version to move to; by default the newest.")
    ] = None,
    find_links: Annotated[
        list[str] | None,
        typer.Option("--find-links", metavar="FOLDER", help="Also look for packages in this folder."),
    ] = None,
    no_plan: Annotated[bool, typer.Option("--no-plan", help="Do not plan the environments.")] = False,
) -> None:
    """Move a team's repository to another version of the toolkit, and plan its environments with it."""
    from toolkit import environment
    from toolkit import upgrade as upgrades
    from toolkit.console import Console
    from toolkit.project import Project

    console = Console()
    project = Project.find()
    planned = [] if no_plan else upgrades.planned(project, environment.names(project))
    local = any(environment.load(project, env).is_local for env in planned)
    prepared = upgrades.prepare(project, version, find_links or [], console, local=local)
    changes = prepared.apply()
    for name in changes.updated:
        console.line(f"updated {name}")
    for name in changes.deleted:
        console.line(f"deleted {name}")
    for name, difference in changes.differences.items():
        console.warning(f"{name} is not as `toolkit new` wrote it; this change was left to you:")
        console.line(difference)
    codes = {}
    for env in planned:
        console.line(f"planning {env} with the new version …")
        codes[env] = prepared.plan(env)
    console.line("next: review the changes with `git diff`, then run `make setup`")
    failed = [env for env, code in codes.items() if code]
    if failed:
        console.warning(f"planning failed for: {', '.join(failed)}")
        raise typer.Exit(max(codes.values()))
