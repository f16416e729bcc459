"""Endpoints that take the place of others of the same name.

Terraform's provider has SageMaker delete the old one and does not wait until it is gone (seen with 5.100.0):
the name is taken, and SageMaker refuses the new one. So the old one goes before Terraform is asked; what is
gone is deleted to the provider.
"""

from __future__ import annotations

from collections.abc import Collection

from toolkit.aws import endpoints, statelock
from toolkit.deployment.context import Context
from toolkit.deployment.rollout.settle import settled


def make_room(context: Context, names: Collection[str]) -> None:
    """Delete endpoints that a plan makes anew, and wait until SageMaker has none of them any more.

    Raises:
        StateError: somebody else works on the environment; nothing was deleted.
    """
    if not names:
        return
    environment = context.environment
    # Terraform might be kept from making the new ones, by whoever holds the lock.
    with statelock.held(context.access, environment.state_bucket, environment.state_key, "replace"):
        for name in names:
            endpoints.delete(context.access, name)
        settled(context, names)
