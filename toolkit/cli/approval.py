"""Asking before something is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.console import Console
from toolkit.errors import InputError, InterruptedByUserError

if TYPE_CHECKING:
    from toolkit.deployment.context import Context
    from toolkit.terraform import Plan


def require(console: Console, question: str, *, yes: bool) -> None:
    """Return if the user agrees.

    Raises:
        InputError: nobody can be asked, and `--yes` was not given.
        InterruptedByUserError: the answer was no.
    """
    if yes:
        return
    if not console.interactive:
        raise InputError(
            f"{question} Nobody can be asked: this is not a terminal",
            remedy="add --yes to do it without asking",
        )
    if not console.confirm(question):
        raise InterruptedByUserError("stopped; nothing was changed")


def require_for(console: Console, context: Context, plan: Plan, question: str, *, yes: bool) -> None:
    """Return if the user agrees to a plan; a local environment and an empty plan need no agreement.

    Raises:
        InputError: nobody can be asked, and `--yes` was not given.
        InterruptedByUserError: the answer was no.
    """
    if plan.has_changes and not context.environment.is_local:
        require(console, question, yes=yes)
