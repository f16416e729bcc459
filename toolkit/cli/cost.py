"""`toolkit cost`."""

from __future__ import annotations

import json

from toolkit.cli.options import Env, Json


def cost(env: Env, as_json: Json = False) -> None:
    """Estimate costs on AWS per hour, day and month, without network. Exits 3 above the ceiling."""
    from toolkit import environment
    from toolkit.console import Console
    from toolkit.cost.estimate import estimate
    from toolkit.project import Project
    from toolkit.report import cost as report

    console = Console()
    loaded = environment.load(Project.find(), env)
    result = estimate(loaded)
    console.data(json.dumps(result.as_data(), indent=2) if as_json else report.text(result))
    result.raise_for_ceiling(loaded.file)
