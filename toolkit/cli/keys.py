"""`toolkit keys …`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from toolkit.cli.options import Env, Json, Yes

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.outputs import Outputs
    from toolkit.environment import Environment
    from toolkit.keys import ApiKey, Keys, Usage

app = typer.Typer(help="API keys of an environment.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="KEY", help="The key's name.")]


class _Opened(NamedTuple):
    console: Console
    keys: Keys
    outputs: Outputs
    environment: Environment


@app.command("list")
def list_keys(env: Env, as_json: Json = False) -> None:
    """List the keys with their usage plans and the use of their budgets, without their values."""
    from toolkit.keys import usage

    console, keys, _, environment = _open(env)
    existing = keys.list()
    use = usage(keys.access, environment, {key.name: key.usage_plan for key in existing if key.usage_plan})
    if as_json:
        descriptions = [
            {**asdict(key), **({"usage": asdict(use[key.name])} if key.name in use else {})}
            for key in existing
        ]
        console.data(json.dumps(descriptions, indent=2))
        return
    for key in existing:
        plan = key.usage_plan or "in no usage plan"
        used = _use(use[key.name]) if key.name in use else []
        console.data("  ".join([key.name, key.key_id, plan, *used, *_remarks(key)]))


@app.command("show")
def show(name: Name, env: Env) -> None:
    """Print one key's value."""
    console, keys, *_ = _open(env)
    console.data(keys.show(name))


@app.command("create")
def create(name: Name, env: Env) -> None:
    """Create a key that is not in the environment file, in the usage plan `default`, and print its value."""
    console, keys, *_ = _open(env)
    console.data(keys.value(keys.create(name)))
    console.line("the API accepts it within a minute or so")


@app.command("rotate")
def rotate(
    name: Name,
    env: Env,
    end_old: Annotated[
        bool, typer.Option("--end-old", help="Revoke the old value as soon as the API accepts the new one.")
    ] = False,
) -> None:
    """Give a key a new value, and print it once the API accepts it; the old one is valid until revoked."""
    from toolkit.keys import rotate as rotate_key
    from toolkit.keys.client import accepts, attempts

    console, keys, outputs, environment = _open(env)
    is_accepted = accepts(keys.access, outputs.api_base_url)
    with console.progress(f"waiting until the API accepts the new value of {name}"):
        new = rotate_key(keys, name, is_accepted, attempts(environment, name))
    console.data(keys.value(new))
    if end_old:
        keys.delete(*keys.to_revoke(name, old=True))
        console.line(f"{name} has a new value; the old one is revoked")
    else:
        console.line(
            f"{name} has two values now: `toolkit keys revoke {name} --old --env {env}` revokes the old one"
        )


@app.command("revoke")
def revoke(
    name: Name,
    env: Env,
    yes: Yes = False,
    old: Annotated[
        bool, typer.Option("--old", help="Revoke only the value that a rotation has replaced.")
    ] = False,
) -> None:
    """Delete a key, or its old value; requests with it fail from then on."""
    from toolkit.deployment.plans import approval

    console, keys, *_ = _open(env)
    subject = f"the old value of the key {name}" if old else f"the key {name}"
    revoked = keys.to_revoke(name, old=old)
    approval.confirm(console, f"Revoke {subject} of {env}?", yes=yes)
    keys.delete(*revoked)
    console.line(f"{subject} is revoked")
    if not old and name in keys.declared:
        console.line(f"the next apply creates a new one, unless you remove {name} from the environment file")


def _use(use: Usage) -> list[str]:
    """The use of each budget."""
    tokens, dollars = use.tokens_per_month, use.dollars_per_month
    month = f"{use.tokens_this_month:,}" if tokens is None else f"{use.tokens_this_month:,} of {tokens:,}"
    texts = [f"{month} tokens this month"]
    if use.tokens_per_minute is not None:
        texts.append(f"{use.tokens_this_minute:,} of {use.tokens_per_minute:,} this minute")
    if dollars is not None:
        texts.append(f"${use.dollars_this_month:,.2f} of ${dollars:,.2f} this month")
    return texts


def _remarks(key: ApiKey) -> list[str]:
    from toolkit.keys import is_for_jwts

    remarks = {
        "old, replaced by a rotation": key.old,
        "disabled": not key.enabled,
        "not in the file": not key.declared,
        "for callers with a JWT": is_for_jwts(key.name),
    }
    return [remark for remark, holds in remarks.items() if holds]


def _open(env: str) -> _Opened:
    from toolkit import keys
    from toolkit.console import Console
    from toolkit.deployment import outputs
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    deployed, environment = outputs.read(context), context.environment
    environment_keys = keys.of(context.access, environment, deployed.usage_plan_ids)
    return _Opened(console, environment_keys, deployed, environment)
