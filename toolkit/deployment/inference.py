"""The inference stack: prepared, planned, applied, taken down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit import packaging, rendering, staging
from toolkit.deployment import bootstrap, verify
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


def render(context: Context) -> dict[str, StagedModel]:
    """Write the stack's variables and backend settings; returns the weights they refer to."""
    context.project.lambda_build.mkdir(parents=True, exist_ok=True)
    packages = packaging.build(context.project, context.console)
    staged = staging.locate(context.project, context.environment)
    stack = context.project.stack(STACK)
    rendering.render_inference(
        context.environment,
        rendering.Inputs(
            model_data={name: model.uri for name, model in staged.items()},
            gateway_package=packages.gateway.relative_to(stack),
            authorizer_package=packages.authorizer.relative_to(stack),
        ),
        context.project.environment_build(context.environment.env),
    )
    return staged


def prepare(context: Context) -> Prepared:
    """Bring the account to where the stack can be planned, and plan it."""
    bootstrap.ensure(context)
    staged = render(context)
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
    render(context)
    workspace = context.workspace(STACK)
    workspace.init()
    plan = workspace.plan(destroy=True)
    approve(plan)
    # Keys are the toolkit's own, not Terraform's; access ends before the API does.
    Keys(context.access, context.environment.prefix, usage_plan_id="", tags={}).revoke_all()
    if plan.has_changes:
        workspace.apply(plan)
    return plan.counts.remove
