"""`toolkit iam …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env

if TYPE_CHECKING:
    from toolkit.iam import Document

app = typer.Typer(help="IAM policies for deployers.", no_args_is_help=True)


@app.command("show")
def show(
    env: Env,
    name: Annotated[
        str | None, typer.Argument(metavar="POLICY", help="Policy to print. Default: list them all.")
    ] = None,
) -> None:
    """Print an IAM policy of the environment's deployers as JSON."""
    from toolkit import iam
    from toolkit.console import Console
    from toolkit.environment import load
    from toolkit.project import Project

    console, project = Console(), Project.find()
    documents = iam.documents(project, [load(project, env)])
    if name is not None:
        console.data(_find(documents, name).json())
        parts = [document.name for document in documents if document.name.startswith(f"{name}-")]
        if parts:
            console.warning(f"{name} exceeds IAM's size limit; it continues in {', '.join(parts)}")
        return
    for document in documents:
        size = f"{document.characters} of {iam.MAX_CHARACTERS} characters"
        console.data(f"{document.name:20} {document.description} ({document.policy_name}, {size})")


def _find(documents: list[Document], name: str) -> Document:
    from toolkit.errors import InputError

    names = [document.name for document in documents]
    if name not in names:
        raise InputError(f"no such policy: {name}", remedy=f"choose one of {', '.join(names)}")
    return documents[names.index(name)]
