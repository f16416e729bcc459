"""A plan, judged by the policies and put into words, before anybody is asked to agree to it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

from toolkit.deployment.context import Context
from toolkit.deployment.inference import Prepared
from toolkit.deployment.outputs import stored
from toolkit.deployment.plans import gating
from toolkit.deployment.releases import recording
from toolkit.errors import InputError
from toolkit.report import Subject, Summary, summarize

Judged = Literal["always", "changes", "never"]


@dataclass(frozen=True)
class Review:
    """A plan that was looked at.

    Attributes:
        prepared: the plan.
        summary: what it does, and the gate's verdict.
    """

    prepared: Prepared
    summary: Summary


def review(context: Context, prepare: Callable[[Context], Prepared], *, judge: Judged = "always") -> Review:
    """Plan, judge what the plan leads to, and summarise it.

    Args:
        context: the environment.
        prepare: makes the plan.
        judge: whether the policies are asked: always, only of changes, or never, as when going back to what
            they let pass before.
    """
    document: dict[str, Any] = {}
    verdict = None
    with ExitStack() as stack:
        # checkov takes seconds to start: while Terraform plans, or where a plan without changes is no reason
        # to start it, while Terraform tells what it planned.
        at_once = judge == "always" or (judge == "changes" and _is_new(context))
        gate = stack.enter_context(gating.gate(context)) if at_once else None
        prepared = prepare(context)
        if prepared.plan.has_changes or judge == "always":
            if judge == "changes" and gate is None:
                gate = stack.enter_context(gating.gate(context))
            document = prepared.workspace.show(prepared.plan)
            if gate is not None:
                # Only the installation, on first use, takes longer than a plan.
                doing = "checking policies" if gate.done() else "checking policies (installing checkov, once)"
                with context.console.progress(doing):
                    verdict = gate.result().check_plan(document, prepared.workspace.stack)
    environment = context.environment
    commit, uncommitted = recording.checkout_commit(context.project.root)
    subject = Subject(
        environment=environment.name,
        account_id=environment.account_id,
        region=environment.region,
        commit=commit,
        uncommitted=uncommitted,
    )
    plan = prepared.plan
    summary = summarize(document, subject, plan.summary(), has_changes=plan.has_changes, policy=verdict)
    return Review(prepared, summary)


def _is_new(context: Context) -> bool:
    """Whether nothing was applied yet, or all was destroyed: a plan then has changes."""
    return not stored(context).outputs


def require_allowed(
    context: Context,
    summary: Summary,
    allow_destroy: str | None,
    intended: Collection[str] = (),
    failed: Collection[str] = (),
) -> None:
    """Return if the policies allow what is planned, and somebody allowed what is destroyed.

    Args:
        context: the environment.
        summary: the plan.
        allow_destroy: the environment's name, as given with `--allow-destroy`.
        intended: resource types whose destruction is what the command is for.
        failed: addresses of endpoints that serve nothing, so that nothing is lost with them.

    Raises:
        PolicyViolationError: a policy forbids it.
        InputError: something stateful would be destroyed or replaced, or anything in a protected
            environment, and `allow_destroy` does not name the environment.
    """
    if summary.policy is not None:
        summary.policy.raise_for_violations()
    environment = context.environment
    env = environment.name
    _check_named(env, allow_destroy)
    lost = [
        change
        for change in summary.changes
        if change.address not in failed
        if (change.loses_state and change.type not in intended) or (environment.protected and change.removes)
    ]
    if not lost or allow_destroy is not None:
        return
    what = f"{env} is protected, and this" if environment.protected else "this"
    count = f"{len(lost)} resource{'' if len(lost) == 1 else 's'}"
    sentences = {change.address: text for text, change in summary.destructive_changes}
    raise InputError(
        f"{what} destroys or replaces {count}; nothing was changed",
        details=[sentences.get(each.address, f"{each.kind} {each.old_name or each.name}") for each in lost],
        remedy=f"if that is what you want: --allow-destroy {env}",
    )


def require_unprotected(context: Context, allow_destroy: str | None) -> None:
    """Return if the environment may be destroyed as a whole.

    Raises:
        InputError: it is protected, and `allow_destroy` does not name it.
    """
    environment = context.environment
    _check_named(environment.name, allow_destroy)
    if environment.protected and allow_destroy is None:
        raise InputError(
            f"{environment.name} is protected; nothing was changed",
            where=environment.file,
            remedy=f"if it is really to be destroyed: --allow-destroy {environment.name}",
        )


def _check_named(env: str, allow_destroy: str | None) -> None:
    if allow_destroy is not None and allow_destroy != env:
        raise InputError(f"--allow-destroy names {allow_destroy}, and this is {env}; nothing was changed")
