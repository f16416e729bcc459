"""The inference stack: prepared, planned, applied, taken down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit import staging
from toolkit.deployment import bootstrap, files, verify
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs, read
from toolkit.keys import Keys
from toolkit.staging import StagedModel
from toolkit.terraform import Plan, Workspace

STACK = "inference"


@dataclass(frozen=True)
class Prepared:
    """A planned change of the inference stack, with what has to be uploaded before it is applied.

    Attributes:
        workspace: where Terraform works.
        plan: the saved plan.
        staged: the weights that the plan refers to.
    """

    workspace: Workspace
    plan: Plan
    staged: dict[str, StagedModel]


def prepare(context: Context) -> Prepared:
    """Bring the account to where the stack can be planned, and plan it."""
    bootstrap.ensure(context)
    staged = files.write(context.project, context.environment, context.console).staged
    workspace = context.workspace(STACK)
    workspace.init()
    return Prepared(workspace, workspace.plan(), staged)


def apply(context: Context, prepared: Prepared) -> Outputs:
    """Upload weights, apply the plan, and see that what was planned is what serves.

    Raises:
        TerraformError: Terraform failed.
        RolloutError: SageMaker does not serve what was planned.
    """
    staging.upload(context.access, prepared.staged, context.console)
    if prepared.plan.has_changes:
        prepared.workspace.apply(prepared.plan)
    outputs = read(context, prepared.workspace)
    verify.endpoints(context, outputs)
    keys_of(context, outputs).ensure_default()
    return outputs


def keys_of(context: Context, outputs: Outputs) -> Keys:
    """The environment's API keys."""
    environment = context.environment
    return Keys(context.access, environment.prefix, outputs.usage_plan_id, environment.tags)


def destroy(context: Context, approve: Callable[[Plan], None]) -> int:
    """Take the stack down, keys first; returns the number of resources destroyed.

    Args:
        context: the environment.
        approve: called with the plan before anything happens; raises to stop.
    """
    bootstrap.ensure(context)
    files.write(context.project, context.environment, context.console)
    workspace = context.workspace(STACK)
    workspace.init()
    plan = workspace.plan(destroy=True)
    approve(plan)
    # Keys are the toolkit's own, not Terraform's; access ends before the API does.
    Keys(context.access, context.environment.prefix, usage_plan_id="", tags={}).revoke_all()
    if plan.has_changes:
        workspace.apply(plan)
    return plan.counts.remove
