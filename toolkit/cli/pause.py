"""`toolkit pause` and `toolkit resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes
from toolkit.durations import parse_seconds

if TYPE_CHECKING:
    from toolkit.deployment.lifecycle import Command

# CloudWatch has SageMaker's metrics after a minute or two.
_SHORTEST_SECONDS = 300
# CloudWatch returns no more than 60 days of hours at once.
_LONGEST_SECONDS = 30 * 24 * 3600


def _idle_seconds(text: str | int) -> int:
    from toolkit.errors import InputError

    seconds = parse_seconds(str(text), "--if-idle")
    if seconds < _SHORTEST_SECONDS:
        reason = f"{text} is too short, since metrics arrive with a delay"
        raise InputError(reason, where="--if-idle", remedy="use 5m or more")
    if seconds > _LONGEST_SECONDS:
        raise InputError(f"{text} is too long", where="--if-idle", remedy="use 30d or less")
    return seconds


def pause(
    env: Env,
    if_serving: Annotated[
        bool, typer.Option("--if-serving", help="Succeed without a change unless it is deployed and serving.")
    ] = False,
    if_idle: Annotated[
        int | None,
        typer.Option(
            "--if-idle",
            parser=_idle_seconds,
            metavar="TIME",
            help="Succeed without a change if a model was used or updated within this time: 4h.",
        ),
    ] = None,
    yes: Yes = False,
    allow_destroy: AllowDestroy = None,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Delete the endpoints, so that they cost nothing, and keep everything else."""
    from toolkit.deployment import lifecycle

    conditional = if_serving or if_idle is not None
    _run(lifecycle.pause(if_idle), env, conditional, yes, allow_destroy, lock_timeout)


def resume(
    env: Env,
    if_paused: Annotated[
        bool, typer.Option("--if-paused", help="Succeed without a change unless it is paused.")
    ] = False,
    yes: Yes = False,
    allow_destroy: AllowDestroy = None,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Bring a paused environment back to its last release."""
    from toolkit.deployment import lifecycle

    _run(lifecycle.RESUME, env, if_paused, yes, allow_destroy, lock_timeout)


def _run(
    command: Command, env: str, conditional: bool, yes: bool, allow_destroy: str | None, lock_timeout: int
) -> None:
    from toolkit.console import Console
    from toolkit.deployment import lifecycle
    from toolkit.deployment.prepare import UnchangedError

    console, consent = Console(), lifecycle.Consent(yes, allow_destroy)
    try:
        result = lifecycle.run(command, env, console, consent, lock_timeout)
    except UnchangedError as unchanged:
        if not conditional:
            raise
        console.line(unchanged.message)
        for detail in unchanged.details:
            console.line(detail)
        return
    console.line(f"{env}: {result.action} is done")
