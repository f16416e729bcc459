"""`toolkit rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes


def rollback(
    env: Env,
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", min=1, help="The release; default: the previous one.")
    ] = None,
    yes: Yes = False,
    allow_destroy: AllowDestroy = None,
    lock_timeout: LockTimeout = 0,
) -> None:
    """Go back to an earlier release: plan, show and apply what was recorded."""
    from functools import partial

    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import inference
    from toolkit.deployment.context import open_context
    from toolkit.deployment.locks import locking
    from toolkit.deployment.plans import review
    from toolkit.deployment.releases import rollback as releases
    from toolkit.report import text

    console = Console()
    context = open_context(env, console, lock_timeout=lock_timeout)
    with locking.exclusive(context):
        found = review.review(context, partial(releases.prepare_rollback, number=to), judge="never")
        prepared = found.prepared
        console.line(f"{prepared.action}: {text.render(found.summary)}")
        failed = found.prepared.failed
        review.require_allowed(context, found.summary, allow_destroy, failed=failed)
        approval.require_for(console, context, prepared.plan, f"{prepared.action.capitalize()}?", yes=yes)
        inference.apply(context, prepared)
    console.line(f"{env}: {prepared.action} is done")
