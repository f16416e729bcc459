"""`toolkit cost`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from toolkit.cli.options import Env, Json, Markdown, choose_format

if TYPE_CHECKING:
    from toolkit.cost.estimate import Estimate


def cost(env: Env, as_json: Json = False, as_markdown: Markdown = False) -> None:
    """Estimate costs on AWS per hour, day and month, without network. Exits 3 above the ceiling."""
    from toolkit import environment
    from toolkit.console import Console
    from toolkit.cost.estimate import estimate
    from toolkit.project import Project
    from toolkit.report import cost as report

    form = choose_format(json=as_json, markdown=as_markdown)
    console = Console()
    loaded = environment.load(Project.find(), env)
    result = estimate(loaded)
    render = {"text": report.text, "markdown": report.markdown, "json": _json}[form]
    console.data(render(result))
    result.raise_for_ceiling(loaded.file)


def _json(result: Estimate) -> str:
    return json.dumps(result.as_data(), indent=2)
