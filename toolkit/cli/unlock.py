"""`toolkit unlock`."""

from __future__ import annotations

from toolkit.cli.options import Env, Stack, Yes


def unlock(env: Env, stack: Stack = "inference", yes: Yes = False) -> None:
    """Show who holds the lock on an environment's state, and clear it if its holder is dead."""
    from toolkit.console import Console
    from toolkit.deployment import locks
    from toolkit.deployment.context import open_context
    from toolkit.deployment.plans import approval

    console = Console()
    context = open_context(env, console)
    lock = locks.read(context, stack)
    if lock is None:
        console.line(f"the state of {env} ({stack}) is not locked")
        return
    for line in locks.explain(context, stack, lock):
        console.line(line)
    approval.confirm(console, "Clear this lock?", yes=yes)
    locks.clear(context, stack, lock)
    console.line("the lock is cleared; apply again to complete the interrupted apply")
