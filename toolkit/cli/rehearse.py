"""`toolkit rehearse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.options import Env, HtmlFile, Json, check_reports, write_report

From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="COMMIT|RELEASE|nothing",
        help="Deployed before the change: commit, branch, tag, number of a release, or nothing; by default, "
        "where the branch left the default branch.",
    ),
]
MarkdownFile = Annotated[
    str | None,
    typer.Option(
        "--markdown", metavar="FILE", help="Also write Markdown for a pull request; - is standard output."
    ),
]
SmokeTest = Annotated[bool, typer.Option("--smoke-test", help="End the apply with the smoke test.")]
Policies = Annotated[
    str | None,
    typer.Option("--policies", metavar="NAME[,NAME…]", help="Deployer policies of the user that applies."),
]
Rate = Annotated[
    float, typer.Option("--rate", metavar="N", min=0, help="Requests per second on the API; 0 for none.")
]
Seconds = Annotated[
    float,
    typer.Option("--start-seconds", metavar="N", min=0, help="Time on AWS until a container is healthy."),
]
FirstToken = Annotated[
    float, typer.Option("--first-token-ms", metavar="N", min=0, help="Time to the first token.")
]
Token = Annotated[float, typer.Option("--token-ms", metavar="N", min=0, help="Time per further token.")]
Benchmark = Annotated[
    Path | None,
    typer.Option("--benchmark", metavar="FILE", help="Take both from a result of `toolkit bench --json`."),
]
Errors = Annotated[
    float,
    typer.Option("--error-percent", metavar="N", min=0, max=100, help="Requests that the new model fails."),
]
Exits = Annotated[bool, typer.Option("--container-exits", help="Let the new container exit at its start.")]
Quotas = Annotated[
    list[str] | None,
    typer.Option("--quota", metavar="TYPE=N", help="Quota of instances for endpoints: ml.g6.2xlarge=4."),
]


def rehearse(
    env: Env,
    base: From = None,
    as_json: Json = False,
    markdown: MarkdownFile = None,
    html: HtmlFile = None,
    policies: Policies = None,
    smoke_test: SmokeTest = False,
    rate: Rate = 5.0,
    start_seconds: Seconds = 60.0,
    first_token_ms: FirstToken = 200.0,
    token_ms: Token = 20.0,
    benchmark: Benchmark = None,
    error_percent: Errors = 0.0,
    container_exits: Exits = False,
    quota: Quotas = None,
) -> None:
    """Run a change in an embedded cloud before it runs on AWS; exit with the code of a later apply."""
    from toolkit.console import Console
    from toolkit.project import Project
    from toolkit.rehearsal import latency, releases, revisions
    from toolkit.rehearsal.run import POLICIES, Options
    from toolkit.rehearsal.run import rehearse as run
    from toolkit.report import rehearsal as report
    from toolkit.serving.stand_in import StandIn

    console = Console()
    check_reports(as_json, as_markdown=False, files={"--markdown": markdown, "--html": html})
    project = Project.find()
    stand_in = StandIn(
        start_seconds,
        first_token_ms / 1000,
        token_ms / 1000,
        error_percent,
        container_exits,
        "options of the command",
    )
    options = Options(
        _policies(policies) if policies else POLICIES,
        rate,
        stand_in if benchmark is None else latency.measured(stand_in, benchmark),
        _quotas(quota or []),
        smoke_test,
    )
    version = releases.base_of(env, base, console) or revisions.base_of(project, base)
    result = run(project, env, version, options, console)
    if as_json:
        console.data(result.to_json())
    elif "-" not in (markdown, html):
        console.data(report.text(result))
    if markdown is not None:
        write_report(console, markdown, report.markdown(result))
    if html is not None:
        write_report(console, html, report.html(result))
    if result.verdict.exit_code:
        raise typer.Exit(result.verdict.exit_code)


def _policies(text: str) -> tuple[str, ...]:
    from toolkit.errors import InputError
    from toolkit.iam.documents import NAMES

    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in NAMES:
            raise InputError(f"no such policy: {name}", remedy=f"choose among {', '.join(NAMES)}")
    return names


def _quotas(texts: list[str]) -> dict[str, float]:
    from toolkit.errors import InputError

    quotas = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number.isdecimal():
            raise InputError(f"cannot read --quota {text}", remedy="write it as in --quota ml.g6.2xlarge=4")
        quotas[f"{name} for endpoint usage"] = float(number)
    return quotas
