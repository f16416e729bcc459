"""`toolkit init`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Target(StrEnum):
    """Deployment target of an environment."""

    LOCAL = "local"
    AWS = "aws"


def init(
    env: Annotated[str, typer.Argument(metavar="ENV", help="Name of the new environment.")],
    target: Annotated[Target, typer.Option(help="Deployment target.")] = Target.AWS,
) -> None:
    """Write a new environment file to start from."""
    from toolkit.console import Console
    from toolkit.environment import scaffold
    from toolkit.project import Project

    project = Project.find()
    path = scaffold.create(project, env, target.value)
    Console().line(f"wrote {project.relative(path)}; check it with `toolkit validate --env {env}`")
