"""`toolkit chat`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from toolkit.cli.options import Env

Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="Model or alias; default: the only one that chats."),
]
System = Annotated[str, typer.Option("--system", metavar="TEXT", help="System prompt.")]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        metavar="NUMBER",
        min=0,
        max=2,
        help="Sampling temperature; 0 always samples the likeliest token.",
    ),
]
MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", metavar="NUMBER", min=1, help="Longest response in tokens.")
]
Web = Annotated[bool, typer.Option("--web", help="Serve a web page on 127.0.0.1 instead, until Ctrl-C.")]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", min=0, max=65535, help="Port of the web page; default: any."),
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address of the web page.")]


def chat(
    env: Env,
    model: Model = None,
    system: System = "",
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    web: Web = False,
    port: Port = None,
    no_browser: NoBrowser = False,
) -> None:
    """Chat with a model in the terminal or on a web page; in a pipe, standard input is the prompt."""
    from toolkit.chat.session import open_session, well_formed
    from toolkit.chat.terminal import Terminal, respond_once
    from toolkit.chat.web import listen, serve
    from toolkit.console import Console
    from toolkit.deployment import outputs
    from toolkit.deployment.context import open_context
    from toolkit.errors import InputError

    if not web and (port is not None or no_browser):
        raise InputError("--port and --no-browser are for the web page", remedy="add --web")
    console = Console()
    context = open_context(env, console)
    with open_session(context, outputs.read(context)) as session:
        settings = session.settings(
            model, system=well_formed(system), temperature=temperature, max_tokens=max_tokens
        )
        if web:
            opener = context.build / "chat.html" if console.interactive and not no_browser else None
            with listen(session, settings, port or 0) as server:
                serve(server, console, opener)
        elif sys.stdin and sys.stdin.isatty() and sys.stdout.isatty():
            Terminal(session, settings, console).run()
        else:
            respond_once(session, settings, console)
