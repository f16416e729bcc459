"""`toolkit outputs`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from toolkit.cli.options import Env, Json


def outputs(
    env: Env,
    name: Annotated[
        str | None, typer.Argument(metavar="OUTPUT", help="Print only this output, for example api_base_url.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print addresses and names of a deployed environment."""
    from toolkit.console import Console
    from toolkit.deployment import outputs
    from toolkit.deployment.context import open_context

    console = Console()
    values = outputs.read(open_context(env, console)).as_json()
    if name is not None:
        console.data(_value(values, name, as_json))
    elif as_json:
        console.data(json.dumps(values, indent=2))
    else:
        for line in _lines(values):
            console.data(line)


def _value(values: dict[str, Any], name: str, as_json: bool) -> str:
    from toolkit.errors import InputError

    if name not in values:
        raise InputError(f"no output named {name}", remedy=f"choose one of: {', '.join(values)}")
    value = values[name]
    return value if isinstance(value, str) and not as_json else json.dumps(value, indent=2)


def _lines(values: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            for key, inner in value.items():
                lines.append(f"{name}.{key}: {inner if isinstance(inner, str) else inner['endpoint_name']}")
        else:
            lines.append(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
    return lines
