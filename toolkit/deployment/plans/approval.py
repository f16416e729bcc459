"""Approve a plan: by the policies, by `--allow-destroy` for what loses state, and by the user."""

from __future__ import annotations

from collections.abc import Collection

from toolkit.console import Console
from toolkit.deployment.context import Context
from toolkit.errors import InputError, InterruptedByUserError
from toolkit.report import Summary


def confirm(console: Console, question: str, *, yes: bool) -> None:
    """Return if the user agrees.

    Raises:
        InputError: stdin is not a terminal, and `--yes` was not given.
        InterruptedByUserError: the user declined.
    """
    if yes:
        return
    if not console.interactive:
        raise InputError(
            f"{question} Confirmation required, but stdin is not a terminal",
            remedy="pass --yes to skip the confirmation",
        )
    if not console.confirm(question):
        raise InterruptedByUserError("stopped; nothing was changed")


def require_allowed(
    context: Context,
    summary: Summary,
    allow_destroy: str | None,
    intended: Collection[str] = (),
    failed: Collection[str] = (),
) -> None:
    """Return if the policies allow a plan, and the user allows what it destroys.

    Args:
        context: the environment.
        summary: the plan.
        allow_destroy: the environment's name, as given with `--allow-destroy`.
        intended: resource types whose destruction is the purpose of the command.
        failed: addresses of endpoints that serve nothing, so that replacing them loses nothing.

    Raises:
        PolicyViolationError: a policy or the ceiling of the costs forbids it.
        InputError: it destroys or replaces something stateful, or anything in a protected environment, and
            `allow_destroy` does not name the environment.
    """
    if summary.policy is not None:
        summary.policy.raise_for_violations()
    environment = context.environment
    if summary.cost is not None:
        summary.cost.raise_for_ceiling(environment.file)
    name = environment.name
    _check_name(name, allow_destroy)
    stateful = [
        change
        for change in summary.changes
        if change.address not in failed
        if (change.loses_state and change.type not in intended) or (environment.protected and change.removes)
    ]
    if not stateful or allow_destroy is not None:
        return
    subject = f"{name} is protected, and this" if environment.protected else "this"
    count = f"{len(stateful)} resource{'' if len(stateful) == 1 else 's'}"
    sentences = {change.address: sentence for sentence, change in summary.destructive_changes}
    raise InputError(
        f"{subject} destroys or replaces {count}; nothing was changed",
        details=[
            sentences.get(change.address, f"{change.kind} {change.old_name or change.name}")
            for change in stateful
        ],
        remedy=f"to allow it, pass --allow-destroy {name}",
    )


def require_unprotected(context: Context, allow_destroy: str | None) -> None:
    """Return if the environment may be destroyed as a whole.

    Raises:
        InputError: it is protected, and `allow_destroy` does not name it.
    """
    environment = context.environment
    _check_name(environment.name, allow_destroy)
    if environment.protected and allow_destroy is None:
        raise InputError(
            f"{environment.name} is protected; nothing was changed",
            where=environment.file,
            remedy=f"to destroy it anyway, pass --allow-destroy {environment.name}",
        )


def _check_name(name: str, allow_destroy: str | None) -> None:
    if allow_destroy is not None and allow_destroy != name:
        raise InputError(f"--allow-destroy names {allow_destroy}, not {name}; nothing was changed")
