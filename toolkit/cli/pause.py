"""`toolkit pause` and `toolkit resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.cli.options import Env, Yes

if TYPE_CHECKING:
    from toolkit.deployment.context import Context
    from toolkit.deployment.inference import Prepared


def pause(env: Env, yes: Yes = False) -> None:
    """Take the endpoints away, so that nothing is paid for; all else stays."""
    from toolkit.deployment import rollback

    _apply(env, rollback.prepare_pause, "its models stop answering until `toolkit resume`", yes=yes)


def resume(env: Env, yes: Yes = False) -> None:
    """Bring a paused environment back to the release it was on."""
    from toolkit.deployment import rollback

    _apply(env, rollback.prepare_resume, "its endpoints are paid for again", yes=yes)


def _apply(env: str, prepare: Callable[[Context], Prepared], meaning: str, *, yes: bool) -> None:
    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    prepared = prepare(context)
    console.line(prepared.plan.summary())
    question = f"{prepared.action.capitalize()} {env}: {meaning}?"
    approval.require_for(console, context, prepared.plan, question, yes=yes)
    inference.apply(context, prepared)
    console.line(f"{env}: {prepared.action} is done")
