"""Taking an environment down, from whatever state it is in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toolkit.deployment import bootstrap, files, inference
from toolkit.deployment.api import apikeys
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff import removal
from toolkit.deployment.cutoff.leftovers import IN_FRONT, Leftover
from toolkit.deployment.outputs import stored
from toolkit.deployment.rollout import settle
from toolkit.terraform import Plan


def destroy(context: Context, approve: Callable[[Plan, Sequence[Leftover]], None]) -> int:
    """Take the inference stack down, keys first; returns how many resources are gone.

    Args:
        context: the environment.
        approve: called before anything happens with the plan, and with what of this environment the state
            does not know; raises to stop.
    """
    bootstrap.ensure(context)
    files.write(context.project, context.environment, context.console)
    known = stored(context).ids
    # What SageMaker works on it does not delete, and Terraform would not notice.
    endpoints = {*settle.names(context).values(), *known.get(inference.ENDPOINT, ())}
    settle.settled(context, sorted(endpoints))
    workspace = context.workspace(inference.STACK)
    workspace.init()
    plan = workspace.plan(destroy=True)
    unknown = removal.find(context, known)
    approve(plan, unknown)
    # Keys are the toolkit's own, not Terraform's; access ends before the API does.
    apikeys.revoke_all(context)
    # A record is known by its domain and would outlast it, and a mapping keeps its API from being deleted.
    removed = _remove(context, [each for each in unknown if each.type in IN_FRONT])
    if plan.has_changes:
        with inference.watching(context, plan) as states:
            workspace.apply(plan, states)
    return plan.counts.remove + removed + _remove(context, removal.find(context, {}))


def _remove(context: Context, left: Sequence[Leftover]) -> int:
    for each in left:
        each.remove()
        context.console.line(f"removed {each}, which was not in the state")
    return len(left)
