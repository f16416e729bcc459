"""`toolkit pause` and `toolkit resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes

if TYPE_CHECKING:
    from toolkit.deployment.context import Context
    from toolkit.deployment.inference import Prepared


# What a pause is for.
ENDPOINTS = ("aws_sagemaker_endpoint",)


def pause(
    env: Env, yes: Yes = False, allow_destroy: AllowDestroy = None, lock_timeout: LockTimeout = 0
) -> None:
    """Take the endpoints away, so that nothing is paid for; all else stays."""
    from toolkit.deployment.releases import rollback

    meaning = "its models stop answering until `toolkit resume`"
    _apply(env, rollback.prepare_pause, meaning, yes, allow_destroy, lock_timeout)


def resume(
    env: Env, yes: Yes = False, allow_destroy: AllowDestroy = None, lock_timeout: LockTimeout = 0
) -> None:
    """Bring a paused environment back to the release it was on."""
    from toolkit.deployment.releases import rollback

    meaning = "its endpoints are paid for again"
    _apply(env, rollback.prepare_resume, meaning, yes, allow_destroy, lock_timeout)


def _apply(
    env: str,
    prepare: Callable[[Context], Prepared],
    meaning: str,
    yes: bool,
    allow_destroy: str | None,
    lock_timeout: int,
) -> None:
    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment.context import open_context
    from toolkit.deployment.locks import locking
    from toolkit.deployment.plans import review

    console = Console()
    context = open_context(env, console, lock_timeout=lock_timeout)
    with locking.exclusive(context):
        found = review.review(context, prepare, judge="never")
        prepared = found.prepared
        console.line(prepared.plan.summary())
        review.require_allowed(context, found.summary, allow_destroy, intended=ENDPOINTS)
        question = f"{prepared.action.capitalize()} {env}: {meaning}?"
        approval.require_for(console, context, prepared.plan, question, yes=yes)
        inference.apply(context, prepared)
    console.line(f"{env}: {prepared.action} is done")
