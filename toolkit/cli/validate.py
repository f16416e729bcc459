"""`toolkit validate`."""

from __future__ import annotations

from toolkit.cli.options import Env


def validate(env: Env) -> None:
    """Check an environment file."""
    from toolkit.console import Console
    from toolkit.environment import emulator_limits, load
    from toolkit.packaging import guard_code
    from toolkit.project import Project

    project = Project.find()
    environment = load(project, env)
    if environment.api.guard_code is not None:
        guard_code.read(project, environment.api.guard_code)
    about = f"{environment.target}, {environment.region}, models: {', '.join(environment.models)}"
    console = Console()
    console.line(f"{environment.file}: valid ({about})")
    for warning in emulator_limits.warnings(environment):
        console.warning(warning)
    if environment.measured_variants:
        from toolkit.deployment import measured

        for warning in measured.outdated_offline(environment):
            console.warning(warning)
