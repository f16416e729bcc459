"""`toolkit bootstrap`."""

from __future__ import annotations

from toolkit.cli.options import Env, LockTimeout, Yes


def bootstrap(env: Env, yes: Yes = False, lock_timeout: LockTimeout = 0) -> None:
    """Prepare an account: state bucket, model store, execution role. Run once, by an administrator."""
    from toolkit.console import Console
    from toolkit.deployment import account, artifacts, locks
    from toolkit.deployment.context import open_context
    from toolkit.deployment.plans import approval

    console = Console()
    context = open_context(env, console, start_cloud=True, lock_timeout=lock_timeout)
    with locks.exclusive(context):
        artifacts.write_account(context)
        plan = account.plan(context)
        console.line(plan.summary())
        if plan.has_changes and not context.environment.is_local:
            approval.confirm(console, f"Apply this to account {context.access.account_id}?", yes=yes)
        account.apply(context, plan)
    console.line(f"account {context.access.account_id} is ready for {env}")
