"""`toolkit destroy`."""

from __future__ import annotations

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes


def destroy(
    env: Env, yes: Yes = False, allow_destroy: AllowDestroy = None, lock_timeout: LockTimeout = 0
) -> None:
    """Destroy an environment; the account's role, model store and state stay."""
    from toolkit.console import Console
    from toolkit.deployment import lifecycle
    from toolkit.deployment.context import CloudNotRunningError

    console = Console()
    try:
        context, count = lifecycle.destroy(env, console, lifecycle.Consent(yes, allow_destroy), lock_timeout)
    except CloudNotRunningError as error:
        console.line(error.message)
        return
    console.line(f"{env} is destroyed: {count} resources, and its API keys")
    if context.environment.is_local:
        console.line(
            "the embedded cloud keeps running, with the account's roles, policies and buckets: "
            "stop it with `toolkit local down`"
        )
