"""`toolkit cost`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, Json, Markdown, choose_format

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.cost.estimate import Estimate
    from toolkit.environment import Environment

Offline = Annotated[
    bool, typer.Option("--offline", help="Only read the environment file: no network, no current capacity.")
]


def cost(env: Env, as_json: Json = False, as_markdown: Markdown = False, offline: Offline = False) -> None:
    """Estimate costs on AWS per hour, day and month, at all capacities. Exits 3 above the ceiling."""
    from toolkit import environment
    from toolkit.console import Console
    from toolkit.cost.estimate import estimate
    from toolkit.project import Project
    from toolkit.report import cost as report

    form = choose_format(json=as_json, markdown=as_markdown)
    console = Console()
    loaded = environment.load(Project.find(), env)
    result = estimate(loaded)
    if not offline:
        result = _with_deployment(result, loaded, console)
    render = {"text": report.text, "markdown": report.markdown, "json": _json}[form]
    console.data(render(result))
    result.raise_for_ceiling(loaded.file)


def _with_deployment(result: Estimate, environment: Environment, console: Console) -> Estimate:
    """Add the current capacity, the costs of tokens and AWS's prices, or why they are not known."""
    from dataclasses import replace

    from botocore.exceptions import BotoCoreError, ClientError

    from toolkit.aws.errors import explain
    from toolkit.bench import token_costs
    from toolkit.cost import price_list_api
    from toolkit.cost.estimate import estimate
    from toolkit.cost.prices import Prices
    from toolkit.deployment import current_costs, outputs
    from toolkit.deployment.context import open_context
    from toolkit.errors import ToolkitError

    prices = Prices.of(environment)
    try:
        with console.progress("reading the current capacity"):
            context = open_context(environment.name, console)
            if not environment.is_local:
                prices = price_list_api.of_environment(environment, context.access, estimate)
                result = estimate(environment, prices)
            deployed = outputs.read(context)
            result = replace(result, current=current_costs.read(context, deployed, prices))
            # A benchmark on this machine says nothing about instances of AWS.
            if not environment.is_local:
                result = replace(result, tokens=token_costs.read(context, deployed, prices))
    except ToolkitError as error:
        return replace(result, current_problem=error.message)
    except (BotoCoreError, ClientError) as error:
        explained = explain(error)
        return replace(result, current_problem=str(error) if explained is None else explained.message)
    return result


def _json(result: Estimate) -> str:
    return json.dumps(result.as_data(), indent=2)
