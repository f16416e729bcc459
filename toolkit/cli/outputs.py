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
        for entry, value in _entries(values).items():
            console.data(f"{entry}: {_text(value)}")


def _value(values: dict[str, Any], name: str, as_json: bool) -> str:
    from toolkit.errors import InputError

    entries = _entries(values)
    if name not in values and name not in entries:
        names = dict.fromkeys([*values, *entries])
        raise InputError(f"no output named {name}", remedy=f"choose one of: {', '.join(names)}")
    value = values.get(name, entries.get(name))
    if as_json:
        return json.dumps(value, indent=2)
    return _text(value) if name in entries else json.dumps(value, indent=2)


def _entries(values: dict[str, Any]) -> dict[str, Any]:
    """Every output by the name that the list shows, such as `models.tiny`."""
    return {
        f"{name}.{key}" if key else name: inner
        for name, value in values.items()
        for key, inner in (value if isinstance(value, dict) else {"": value}).items()
    }


def _text(value: Any) -> str:
    """A value as the list shows it; a model by its endpoint."""
    value = value["endpoint_name"] if isinstance(value, dict) else value
    return value if isinstance(value, str) else json.dumps(value)
