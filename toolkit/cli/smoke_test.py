"""`toolkit smoke-test`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from toolkit.cli.options import Env, HtmlFile, Json, Markdown, check_reports, write_report
from toolkit.durations import parse_seconds

if TYPE_CHECKING:
    from toolkit.deployment.context import Context
    from toolkit.smoke import Layer


def _seconds(text: str | int) -> int:
    return parse_seconds(str(text), "--timeout", unit_required=False)


Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="LAYER", help="Check only this layer; may be repeated."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME", help="Check only this model; may be repeated."),
]
Timeout = Annotated[
    int,
    typer.Option("--timeout", parser=_seconds, metavar="TIME", help="Time limit of each check: 90s, 10m."),
]
Retries = Annotated[
    int,
    typer.Option("--retries", metavar="N", min=0, help="Repetitions of a failed check before it fails."),
]
Wake = Annotated[
    bool,
    typer.Option("--wake", help="Start an instance of asynchronous endpoints that have none, and test them."),
]
Record = Annotated[
    bool,
    typer.Option("--record", help="Record the result with the current release, for `toolkit promote`."),
]
Junit = Annotated[
    str | None,
    typer.Option("--junit", metavar="FILE", help="Also write JUnit XML; - is standard output."),
]


def smoke_test(
    env: Env,
    only: Only = None,
    models: Models = None,
    timeout: Timeout = 180,
    retries: Retries = 0,
    wake: Wake = False,
    record: Record = False,
    as_json: Json = False,
    as_markdown: Markdown = False,
    junit: Junit = None,
    html: HtmlFile = None,
) -> None:
    """Test a deployment layer by layer, from its endpoints to a streamed response of the API and its log."""
    from toolkit import smoke
    from toolkit.console import Console
    from toolkit.deployment import outputs, releases
    from toolkit.deployment.context import open_context
    from toolkit.errors import InputError
    from toolkit.smoke import formats

    console = Console()
    files = {"--junit": junit, "--html": html}
    check_reports(as_json, as_markdown, files, example="--junit smoke.xml")
    if record and (only or models):
        raise InputError("--record needs all checks", remedy="omit --only and --model")
    asynchronous: Literal["wake", "running"] = "wake" if wake else "running"
    options = smoke.Options(_layers(only or ()), models or (), timeout, retries, asynchronous)
    context = open_context(env, console)
    deployed = outputs.read(context)
    release = releases.current(context, deployed) if record else None
    checks = []
    as_text = not (as_json or as_markdown or "-" in files.values())
    for check in smoke.run(context, deployed, options):
        checks.append(check)
        if as_text:
            console.data(check.line())
    if as_json:
        console.data(formats.as_json(checks))
    elif as_markdown:
        console.data(formats.as_markdown(env, checks))
    if junit is not None:
        write_report(console, junit, formats.as_junit(env, checks))
    if html is not None:
        write_report(console, html, formats.as_html(env, checks, _release(context)))
    if release is not None:
        data = [check.as_data() for check in checks]
        releases.record_smoke_test(context, deployed, release, data)
    smoke.raise_for_failures(env, checks, shown=as_text)


def _release(context: Context) -> str | None:
    """The newest release, in words; None if it cannot be read: the result is more important."""
    from botocore.exceptions import BotoCoreError, ClientError

    from toolkit.deployment import releases
    from toolkit.errors import ToolkitError

    try:
        latest = releases.of(context).latest()
    except (BotoCoreError, ClientError, ToolkitError):
        return None
    return latest.label if latest is not None else None


def _layers(names: Iterable[str]) -> list[Layer]:
    from toolkit.errors import InputError
    from toolkit.smoke import Layer

    unknown = sorted(set(names) - set(Layer))
    if unknown:
        raise InputError(f"no layer named {unknown[0]}", remedy=f"choose one of: {', '.join(Layer)}")
    return [Layer(name) for name in names]
