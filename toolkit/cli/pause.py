"""`toolkit pause` and `toolkit resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.options import AllowDestroy, Env, LockTimeout, Yes

if TYPE_CHECKING:
    from toolkit.deployment.lifecycle import Command


def pause(
    env: Env, yes: Yes = False, allow_destroy: AllowDestroy = None, lock_timeout: LockTimeout = 0
) -> None:
    """Delete the endpoints, so that they cost nothing, and keep everything else."""
    from toolkit.deployment import lifecycle

    _run(lifecycle.PAUSE, env, yes, allow_destroy, lock_timeout)


def resume(
    env: Env, yes: Yes = False, allow_destroy: AllowDestroy = None, lock_timeout: LockTimeout = 0
) -> None:
    """Bring a paused environment back to its last release."""
    from toolkit.deployment import lifecycle

    _run(lifecycle.RESUME, env, yes, allow_destroy, lock_timeout)


def _run(command: Command, env: str, yes: bool, allow_destroy: str | None, lock_timeout: int) -> None:
    from toolkit.console import Console
    from toolkit.deployment import lifecycle

    console, consent = Console(), lifecycle.Consent(yes, allow_destroy)
    result = lifecycle.run(command, env, console, consent, lock_timeout)
    console.line(f"{env}: {result.action} is done")
