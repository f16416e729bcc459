"""`toolkit new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the new repository.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Prefix of resource names.")] = "llm",
    ci: Annotated[
        str | None,
        typer.Option(
            "--ci", metavar="SYSTEM", help="Add pipeline files: github, gitlab, atlantis or jenkins."
        ),
    ] = None,
) -> None:
    """Write a team's own repository, which takes the toolkit's code from the installed package."""
    from toolkit import repository
    from toolkit.console import Console

    files = repository.create(directory.resolve(), name, ci)
    console = Console()
    console.line(f"wrote {len(files)} files to {directory}")
    console.line("next: change to this folder, run `git init` and `make apply ENV=local`")
