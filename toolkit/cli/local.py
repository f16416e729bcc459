"""`toolkit local …`."""

from __future__ import annotations

import json
import os
import shlex
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
    """Start the embedded cloud if it is not running."""
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
    """Show what runs in the embedded cloud, and its memory."""
    from toolkit.console import Console
    from toolkit.local import client
    from toolkit.project import Project

    console = Console()
    cloud = client.status(Project.find())
    if as_json:
        console.data(json.dumps(asdict(cloud) if cloud else None, indent=2))
    elif cloud is None:
        console.data("the embedded cloud is not running")
    else:
        for line in _describe(cloud):
            console.data(line)


@app.command("env")
def env() -> None:
    """Print the shell commands that point the AWS CLI and SDKs to the embedded cloud.

    Use them with `eval "$(toolkit local env)"`. They name the file with the secret, not the secret.
    """
    from toolkit.console import Console
    from toolkit.errors import PreflightError
    from toolkit.local import client
    from toolkit.project import Project

    project = Project.find()
    cloud = client.find(project)
    if cloud is None:
        raise PreflightError("the embedded cloud is not running", remedy="toolkit local up")
    settings = {
        "AWS_ENDPOINT_URL": cloud.endpoint_url,
        "AWS_SHARED_CREDENTIALS_FILE": str(client.credentials_file(project)),
        "AWS_CONFIG_FILE": os.devnull,
    }
    console = Console()
    # Profiles, keys and addresses of services would take precedence.
    for name in sorted(name for name in os.environ if name.startswith("AWS_") and name not in settings):
        console.data(f"unset {shlex.quote(name)}")
    for name, value in settings.items():
        console.data(f"export {name}={shlex.quote(value)}")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    console.data(f"export AWS_REGION={shlex.quote(region)} AWS_DEFAULT_REGION={shlex.quote(region)}")


@app.command("logs")
def logs(
    lines: Annotated[int, typer.Option("--lines", "-n", metavar="N", min=1, help="Number of lines.")] = 50,
) -> None:
    """Print the end of the embedded cloud's own log."""
    from toolkit.console import Console
    from toolkit.local import client
    from toolkit.project import Project

    console = Console()
    for line in client.log_tail(Project.find(), lines):
        console.data(line)


def _describe(cloud: CloudStatus) -> list[str]:
    memory = cloud.memory_bytes + cloud.children_memory_bytes
    lines = [
        f"the embedded cloud runs at {cloud.endpoint_url} (process {cloud.pid}, "
        f"up {cloud.uptime_seconds:.0f} s, {_mebibytes(memory)} with all its processes)",
        f"  time scale {cloud.time_scale:g}: a minute of waiting on AWS is {60 * cloud.time_scale:g} s here",
    ]
    for endpoint in cloud.endpoints:
        reason = f": {endpoint.reason}" if endpoint.reason else ""
        lines.append(f"  endpoint {endpoint.name}: {endpoint.status}{reason}")
    lines += [f"  function {function.name}: {function.instances} warm" for function in cloud.functions]
    lines += [f"  API {api.name} ({api.id}): {', '.join(api.stages) or 'not deployed'}" for api in cloud.apis]
    for process in cloud.processes:
        size = _mebibytes(process.memory_bytes)
        lines.append(f"  {process.kind} process {process.pid}: {process.name}, {size}")
    for item in cloud.instances:
        hours = f"{item.seconds / 3600:.2f} instance-hours on AWS"
        lines.append(f"  {item.instance_type}: {item.running} running, {item.peak} at most, {hours}")
    return lines


def _mebibytes(count: int) -> str:
    return f"{count / MEBIBYTE:.0f} MiB"
