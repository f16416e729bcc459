"""Asking before something is changed."""

from __future__ import annotations

from toolkit.console import Console
from toolkit.errors import InputError, InterruptedByUserError


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
