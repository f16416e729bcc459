"""`toolkit logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.options import Env

Source = Annotated[
    str | None,
    typer.Argument(help="gateway, authorizer or a model; all if none is named.", show_default=False),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines, until Ctrl-C.")]
Since = Annotated[str, typer.Option("--since", help="How far back: 90s, 10m, 2h, 1d.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, with messages as written.")]


def logs(
    env: Env, source: Source = None, follow: Follow = False, since: Since = "10m", as_json: AsJson = False
) -> None:
    """Print what the functions and the models' containers log."""
    from toolkit.console import Console
    from toolkit.deployment import logs as deployed
    from toolkit.deployment.context import open_context

    console = Console()
    reader = deployed.reader(open_context(env, console), source, since)
    width = 0 if source else max(len(name) for name in reader.sources)
    for events in reader.follow() if follow else [reader.read()]:
        for event in events:
            console.data(deployed.as_json(event) if as_json else deployed.as_line(event, width))
