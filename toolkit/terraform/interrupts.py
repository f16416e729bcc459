"""Messages about interrupted Terraform commands, which differ for commands that change resources."""

from __future__ import annotations

from toolkit.errors import InterruptedByUserError
from toolkit.terraform.process import Outcome

CHANGES_SOMETHING = ("apply", "destroy")
# The one read-only command that locks the state.
_LOCKS = "plan"


def requested(name: str) -> str:
    """The message after the first interrupt.

    Args:
        name: "init", "plan", "apply" or "destroy".
    """
    if name in CHANGES_SOMETHING:
        return (
            "interrupted: Terraform finishes operations in progress and stores the state; "
            "a second Ctrl-C stops it immediately and may lose track of resources"
        )
    risk = " and may leave the state locked" if name == _LOCKS else ""
    return f"interrupted: Terraform stops, nothing is changed; a second Ctrl-C stops it immediately{risk}"


def forced(name: str) -> str:
    """The message after the second interrupt."""
    if name in CHANGES_SOMETHING:
        return "stopping Terraform immediately: operations in progress may be missing from the state"
    lock = "; the state may stay locked" if name == _LOCKS else ""
    return f"stopping Terraform immediately: nothing is changed{lock}"


def error(name: str, outcome: Outcome, *, log: str, unlock: str) -> InterruptedByUserError:
    """The error for an interrupted command.

    Args:
        name: "init", "plan", "apply" or "destroy".
        outcome: its exit code, and whether it was forced to stop.
        log: the file with its full output.
        unlock: the command that removes an abandoned lock.
    """
    if name not in CHANGES_SOMETHING:
        return _read_only(name, outcome, unlock)
    if outcome.forced:
        return InterruptedByUserError(
            f"terraform {name} was forced to stop; operations in progress may be missing from the state",
            remedy=f"create a new plan and compare; the full output is in {log}",
        )
    if outcome.returncode == 0:
        return InterruptedByUserError(
            f"interrupted, but terraform {name} had already finished; the state is stored"
        )
    return InterruptedByUserError(
        f"terraform {name} was interrupted and stopped gracefully; completed changes are in the state",
        remedy="run the same command again to continue",
    )


def _read_only(name: str, outcome: Outcome, unlock: str) -> InterruptedByUserError:
    if outcome.forced and name == _LOCKS:
        return InterruptedByUserError(
            f"terraform {name} was forced to stop; nothing was changed",
            remedy=f"if the next command reports that the state is locked: {unlock}",
        )
    return InterruptedByUserError(f"terraform {name} was interrupted; nothing was changed")
