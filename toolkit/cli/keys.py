"""`toolkit keys …`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, Json, Yes

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.keys import Keys

app = typer.Typer(help="API keys of an environment.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The key's name.", show_default=False)]


@app.command("list")
def list_keys(env: Env, as_json: Json = False) -> None:
    """List the keys, without their values."""
    console, keys = _open(env)
    found = keys.list()
    if as_json:
        console.data(json.dumps([asdict(key) for key in found], indent=2))
        return
    for key in found:
        console.data(f"{key.name}  {key.key_id}{'' if key.enabled else '  disabled'}")


@app.command("show")
def show(name: Name, env: Env) -> None:
    """Print one key's value alone."""
    console, keys = _open(env)
    console.data(keys.show(name))


@app.command("create")
def create(name: Name, env: Env) -> None:
    """Make a key and print its value."""
    console, keys = _open(env)
    keys.create(name)
    console.data(keys.show(name))


@app.command("revoke")
def revoke(name: Name, env: Env, yes: Yes = False) -> None:
    """Delete a key; requests with it fail from then on."""
    from toolkit.cli import approval

    console, keys = _open(env)
    approval.require(console, f"Revoke the key {name} of {env}?", yes=yes)
    keys.revoke(name)
    console.line(f"{name} is revoked")


def _open(env: str) -> tuple[Console, Keys]:
    from toolkit.console import Console
    from toolkit.deployment import inference, outputs
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    return console, inference.keys_of(context, outputs.read(context))
