"""What an interrupt means to a Terraform command: an apply has begun things, a plan has only looked."""

from __future__ import annotations

from toolkit.errors import InterruptedByUserError
from toolkit.terraform.process import Outcome

CHANGES_SOMETHING = ("apply", "destroy")
# Of those that change nothing: this one locks the state while it reads.
_LOCKS = "plan"


def requested(name: str) -> str:
    """What happens now that Terraform was asked to stop.

    Args:
        name: "init", "plan", "apply" or "destroy".
    """
    if name in CHANGES_SOMETHING:
        return (
            "interrupted: Terraform finishes what is in progress and stores the state; "
            "a second Ctrl-C stops it at once, at the risk of losing track of resources"
        )
    risk = ", at the risk of leaving the state locked" if name == _LOCKS else ""
    return f"interrupted: Terraform ends, nothing is changed; a second Ctrl-C stops it at once{risk}"


def forced(name: str) -> str:
    """What happens now that Terraform was told to stop at once."""
    if name in CHANGES_SOMETHING:
        return "stopping Terraform at once: what it was doing may be missing from the state"
    lock = "; the state may stay locked" if name == _LOCKS else ""
    return f"stopping Terraform at once: nothing is changed{lock}"


def error(name: str, outcome: Outcome, *, log: str, unlock: str) -> InterruptedByUserError:
    """How a command ended that was asked to stop.

    Args:
        name: "init", "plan", "apply" or "destroy".
        outcome: how it ended.
        log: the file with all of its output.
        unlock: the command that clears a lock that was left behind.
    """
    if name not in CHANGES_SOMETHING:
        return _looked(name, outcome, unlock)
    if outcome.forced:
        return InterruptedByUserError(
            f"terraform {name} was stopped by force; the state may miss what it was doing",
            remedy=f"plan again and compare; all of its output is in {log}",
        )
    if outcome.returncode == 0:
        return InterruptedByUserError(
            f"interrupted, but terraform {name} had already finished; all is stored"
        )
    return InterruptedByUserError(
        f"terraform {name} was interrupted and has ended safely; what it did is stored in the state",
        remedy="run the same command again to go on from there",
    )


def _looked(name: str, outcome: Outcome, unlock: str) -> InterruptedByUserError:
    if outcome.forced and name == _LOCKS:
        return InterruptedByUserError(
            f"terraform {name} was stopped by force; nothing was changed",
            remedy=f"if the next command says that the state is locked: {unlock}",
        )
    return InterruptedByUserError(f"terraform {name} was interrupted; nothing was changed")
