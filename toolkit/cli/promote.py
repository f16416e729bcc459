"""`toolkit promote`."""

from __future__ import annotations

from typing import Annotated

import typer

Source = Annotated[str, typer.Option("--from", metavar="ENV", help="Environment whose models are promoted.")]
Target = Annotated[str, typer.Option("--to", metavar="ENV", help="Environment that gets them.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="Promote only this model; may be repeated."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the change, and write nothing.")]


def promote(source: Source, target: Target, models: Models = None, dry_run: DryRun = False) -> None:
    """Write the tested models of one environment into the file of another, as a change to commit."""
    from toolkit.console import Console
    from toolkit.deployment import promotion
    from toolkit.deployment.context import open_context
    from toolkit.files import write_atomic

    console = Console()
    context = open_context(source, console)
    change = promotion.prepare(context, target, models or ())
    for note in change.notes:
        console.line(f"note: {note}")
    if not change.diff:
        console.line(f"{target} already has the models of {source}, {change.release.label}")
        return
    console.data(change.diff.rstrip("\n"))
    if dry_run:
        return
    write_atomic(change.path, change.text)
    file = context.project.relative(change.path)
    console.line(f"{file}: has the models of {source}, {change.release.label}")
    console.line(f"next: review and commit it, then `toolkit plan --env {target}`")
