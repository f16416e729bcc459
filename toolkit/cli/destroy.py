"""`toolkit destroy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.deployment.cutoff.leftovers import Leftover
    from toolkit.terraform import Plan


def destroy(
    env: Env, yes: Yes = False, allow_destroy: AllowDestroy = None, lock_timeout: LockTimeout = 0
) -> None:
    """Take an environment down; the account's role, model store and state stay."""
    from toolkit.cli import approval
    from toolkit.console import Console
    from toolkit.deployment import destroying
    from toolkit.deployment.context import open_context
    from toolkit.deployment.locks import locking
    from toolkit.deployment.plans import review
    from toolkit.environment import load
    from toolkit.project import Project

    console = Console()
    if load(Project.find(), env).is_local and not _cloud_runs():
        console.line(f"{env} is not deployed: the embedded cloud is not running")
        return
    context = open_context(env, console, lock_timeout=lock_timeout)
    review.require_unprotected(context, allow_destroy)

    def approve(plan: Plan, unknown: Sequence[Leftover]) -> None:
        console.line(plan.summary())
        for each in unknown:
            console.line(f"to remove, though no state knows it: {each}")
        if plan.has_changes or unknown:
            account = context.access.account_id
            approval.require(console, f"Destroy {env} in account {account}?", yes=yes)

    with locking.exclusive(context):
        count = destroying.destroy(context, approve)
    console.line(f"{env} is destroyed: {count} resources, and its API keys")
    if context.environment.is_local:
        console.line("the embedded cloud still runs, empty: `toolkit local down` stops it")


def _cloud_runs() -> bool:
    from toolkit.local import client
    from toolkit.project import Project

    return client.find(Project.find()) is not None
