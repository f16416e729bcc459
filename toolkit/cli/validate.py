"""`toolkit validate`."""

from __future__ import annotations

from toolkit.cli.options import Env


def validate(env: Env) -> None:
    """Check an environment file."""
    from toolkit.console import Console
    from toolkit.environment import emulator_limits, load
    from toolkit.project import Project

    environment = load(Project.find(), env)
    about = f"{environment.target}, {environment.region}, models: {', '.join(environment.models)}"
    console = Console()
    console.line(f"{environment.file}: valid ({about})")
    for warning in emulator_limits.warnings(environment):
        console.warning(warning)
