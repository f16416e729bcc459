"""`toolkit render`."""

from __future__ import annotations

from toolkit.cli.options import Env


def render(env: Env) -> None:
    """Write Terraform's variables and backend settings under build/ENV/, and list the files."""
    from toolkit.console import Console
    from toolkit.deployment import files
    from toolkit.environment import load
    from toolkit.project import Project

    console = Console()
    project = Project.find()
    for path in files.write(project, load(project, env), console).written:
        console.data(project.relative(path))
