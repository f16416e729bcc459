"""`toolkit local …`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Json

if TYPE_CHECKING:
    from toolkit.local.client import CloudStatus

app = typer.Typer(help="The embedded cloud.", no_args_is_help=True)
MEBIBYTE = 1024 * 1024


@app.command("up")
def up() -> None:
    """Start the embedded cloud, unless it runs."""
    from toolkit.console import Console
    from toolkit.local import client
    from toolkit.project import Project
    from toolkit.tool_venvs import ensure

    console = Console()
    project = Project.find()
    ensure(project, "lambda-runtime", console)
    cloud = client.ensure_running(project, console)
    console.line(f"the embedded cloud runs at {cloud.endpoint_url} (process {cloud.pid})")


@app.command("down")
def down() -> None:
    """Stop the embedded cloud; everything deployed in it is gone."""
    from toolkit.console import Console
    from toolkit.local import client
    from toolkit.project import Project

    console = Console()
    if not client.stop(Project.find(), console):
        console.line("the embedded cloud was not running")


@app.command("status")
def status(as_json: Json = False) -> None:
    """Show what the embedded cloud runs, with memory."""
    from toolkit.console import Console
    from toolkit.local import client
    from toolkit.project import Project

    console = Console()
    found = client.status(Project.find())
    if as_json:
        console.data(json.dumps(asdict(found) if found else None, indent=2))
    elif found is None:
        console.data("the embedded cloud is not running")
    else:
        for line in _describe(found):
            console.data(line)


@app.command("logs")
def logs(lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many.")] = 50) -> None:
    """Print the end of the embedded cloud's own log."""
    from toolkit.console import Console
    from toolkit.local import client
    from toolkit.project import Project

    console = Console()
    for line in client.log_tail(Project.find(), lines):
        console.data(line)


def _describe(found: CloudStatus) -> list[str]:
    memory = found.memory_bytes + found.children_memory_bytes
    lines = [
        f"the embedded cloud runs at {found.endpoint_url} (process {found.pid}, "
        f"up {found.uptime_seconds:.0f} s, {_mebibytes(memory)} with all it runs)",
        f"  time scale {found.time_scale:g}: a minute of waiting on AWS is {60 * found.time_scale:g} s here",
    ]
    for endpoint in found.endpoints:
        reason = f": {endpoint.reason}" if endpoint.reason else ""
        lines.append(f"  endpoint {endpoint.name}: {endpoint.status}{reason}")
    lines += [f"  function {function.name}: {function.instances} warm" for function in found.functions]
    lines += [f"  API {api.name} ({api.id}): {', '.join(api.stages) or 'not deployed'}" for api in found.apis]
    for process in found.processes:
        size = _mebibytes(process.memory_bytes)
        lines.append(f"  {process.kind} process {process.pid}: {process.name}, {size}")
    return lines


def _mebibytes(count: int) -> str:
    return f"{count / MEBIBYTE:.0f} MiB"
