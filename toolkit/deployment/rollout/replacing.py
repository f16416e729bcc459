"""Endpoints that take the place of others of the same name.

Terraform's provider has SageMaker delete the old one and does not wait until it is gone (seen with 5.100.0):
the name is taken, and SageMaker refuses the new one. So the old one goes before Terraform is asked; what is
gone is deleted to the provider.
"""

from __future__ import annotations

from collections.abc import Collection

from toolkit.aws import endpoints, statelock
from toolkit.aws.statelock import Patience
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import stored
from toolkit.deployment.rollout.settle import settled
from toolkit.errors import StateError
from toolkit.terraform import Plan


def make_room(context: Context, plan: Plan, names: Collection[str]) -> None:
    """Delete endpoints that a plan makes anew, and wait until SageMaker has none of them any more.

    Args:
        context: the environment.
        plan: which is applied next.
        names: of the endpoints.

    Raises:
        StateError: somebody else works on the environment, or has changed its state since it was planned;
            nothing was deleted.
    """
    if not names:
        return
    environment = context.environment
    # Terraform might be kept from making the new ones, by whoever holds the lock.
    state = environment.state_bucket, environment.state_key
    patience = Patience(context.lock_timeout_seconds, context.console)
    with statelock.held(context.access, *state, "replace", patience):
        _see_that_it_can_be_applied(context, plan)
        for name in names:
            endpoints.delete(context.access, name)
        settled(context, names)


def _see_that_it_can_be_applied(context: Context, plan: Plan) -> None:
    """Terraform would refuse a stale plan, and nothing would take the endpoints' place."""
    present = stored(context)
    if (present.lineage, present.serial) != plan.state_version():
        raise StateError(
            "the plan is stale: the state has changed since it was made",
            remedy="plan again, then apply that plan",
        )
