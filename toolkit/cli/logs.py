"""`toolkit logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.options import Env

Source = Annotated[
    str | None, typer.Argument(metavar="SOURCE", help="gateway, authorizer or a model; default: all.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Follow new lines, until Ctrl-C.")]
Since = Annotated[str, typer.Option("--since", metavar="TIME", help="How far back: 90s, 10m, 2h, 1d.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per line, with unchanged messages.")
]


def logs(
    env: Env, source: Source = None, follow: Follow = False, since: Since = "10m", as_json: AsJson = False
) -> None:
    """Print the logs of the functions and of the model containers."""
    from toolkit.console import Console
    from toolkit.deployment import logs
    from toolkit.deployment.context import open_context

    console = Console()
    reader = logs.reader(open_context(env, console), source, since)
    width = 0 if source else max(len(name) for name in reader.sources)
    for events in reader.follow() if follow else [reader.read()]:
        for event in events:
            console.data(logs.as_json(event) if as_json else logs.as_line(event, width))
