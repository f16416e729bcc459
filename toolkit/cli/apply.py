"""`toolkit apply`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import (
    AllowDestroy,
    Env,
    HtmlFile,
    LockTimeout,
    Yes,
    check_reports,
    write_report,
)

if TYPE_CHECKING:
    from toolkit.console import Console
    from toolkit.deployment.context import Context
    from toolkit.deployment.lifecycle import Result
    from toolkit.deployment.rollout.timeline import Recorder

SmokeTest = Annotated[
    bool, typer.Option("--smoke-test", help="Test the rollout, and roll back if the test fails.")
]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Apply exactly the plan that `toolkit plan` saved."),
]
Reviewed = Annotated[
    Path | None,
    typer.Option(
        "--reviewed",
        metavar="FILE",
        help="Apply only if the plan is the same as in this plan.json of `toolkit plan`.",
    ),
]

TimelineFile = Annotated[
    str | None,
    typer.Option("--timeline", metavar="FILE", help="Also write the timeline of the rollout as JSON."),
]


def apply(
    env: Env,
    plan_file: PlanFile = None,
    reviewed: Reviewed = None,
    yes: Yes = False,
    allow_destroy: AllowDestroy = None,
    smoke_test: SmokeTest = False,
    html: HtmlFile = None,
    timeline: TimelineFile = None,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Deploy an environment, and verify that the planned configuration is serving."""
    from toolkit import smoke
    from toolkit.console import Console
    from toolkit.deployment import lifecycle
    from toolkit.processes import is_rehearsal
    from toolkit.smoke.expectations import judge

    console = Console()
    check_reports(as_json=False, as_markdown=False, files={"--html": html, "--timeline": timeline})
    fingerprints = _reviewed(reviewed, plan_file)
    command = lifecycle.apply(
        plan_file,
        smoke.test if smoke_test else None,
        # A rehearsal's models are stand-ins.
        None if is_rehearsal() else judge,
        fingerprints,
    )
    with _recording(console, env, html, timeline) as recorder:
        command = replace(command, recorder=recorder)
        result = lifecycle.run(command, env, console, lifecycle.Consent(yes, allow_destroy), lock_timeout)
    for line in _usage(result):
        console.line(line)


def _reviewed(file: Path | None, plan_file: Path | None) -> Mapping[str, str] | None:
    """The fingerprints of the reviewed plan; None without one."""
    from toolkit.deployment.plans import reviewed
    from toolkit.errors import InputError

    if file is None:
        return None
    if plan_file is not None:
        raise InputError(
            "cannot apply a saved plan and plan again",
            remedy="pass --plan or --reviewed, not both",
        )
    return reviewed.read(file)


@contextmanager
def _recording(
    console: Console, env: str, html: str | None, timeline: str | None
) -> Iterator[Recorder | None]:
    """Write the page and the timeline of the rollout, even of one that fails."""
    if html is None and timeline is None:
        yield None
        return
    from toolkit.deployment.rollout.timeline import Recorder
    from toolkit.errors import ToolkitError
    from toolkit.report import rollout

    recorder = Recorder()
    failure: ToolkitError | None = None
    try:
        yield recorder
    except ToolkitError as error:
        failure = error
        raise
    finally:
        # The result of the apply is more important than its page.
        try:
            recording = recorder.recording()
            if html is not None:
                page = rollout.page(env, recording.timelines, failure, recorder.release)
                write_report(console, html, page)
            if timeline is not None:
                write_report(console, timeline, json.dumps(asdict(recording), indent=2))
        except (OSError, ToolkitError) as error:
            console.warning(f"cannot write the page of the rollout: {error}")


def _usage(result: Result) -> list[str]:
    context, outputs = result.context, result.outputs
    env, base_url = outputs.environment, outputs.api_base_url
    lines = ["", f"{env} serves {', '.join(outputs.models)} at {base_url}", ""]
    if context.environment.api.auth == "iam":
        return [*lines, f"callers sign their requests, as `{_program(context)} smoke-test --env {env}` does"]
    models = context.environment.models
    chatting = [name for name in outputs.models if name in models and models[name].chats]
    if not chatting:
        return lines
    header = "x-api-key: " if context.environment.api.key_header == "x-api-key" else "Authorization: Bearer "
    key = f"{header}$({_program(context)} keys show default --env {env})"
    body = f'{{"model": "{chatting[0]}", "messages": [{{"role": "user", "content": "Hello!"}}]}}'
    return [
        *lines,
        f"curl {base_url}/chat/completions \\\n"
        f'  -H "{key}" \\\n'
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'",
    ]


def _program(context: Context) -> str:
    """The command that starts this program: its name if it is on PATH, otherwise as it was started."""
    import shutil
    import sys

    if shutil.which("toolkit"):
        return "toolkit"
    started = Path(sys.argv[0]).absolute()
    if started.name == "__main__.py":
        return f"{sys.executable} -m toolkit"
    return context.project.relative(started)
