"""The API keys of an environment, as its file declares them."""

from __future__ import annotations

from collections.abc import Mapping

from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs
from toolkit.keys import Keys, reconcile


def keys_of(context: Context, outputs: Outputs) -> Keys:
    """The API keys of a deployed environment."""
    return _keys(context, outputs.usage_plan_ids)


def bring_up_to_date(context: Context, outputs: Outputs) -> None:
    """Make, move and revoke keys as the environment file says, and tell what was done."""
    for line in reconcile(keys_of(context, outputs)):
        context.console.line(line)


def revoke_all(context: Context) -> None:
    """Delete every key, whether or not the API is there."""
    _keys(context, {}).revoke_all()


def _keys(context: Context, usage_plan_ids: Mapping[str, str]) -> Keys:
    environment = context.environment
    return Keys(
        access=context.access,
        prefix=environment.prefix,
        usage_plan_ids=usage_plan_ids,
        tags=environment.tags,
        declared=environment.api.key_plans,
    )
