"""The inference stack: prepared, planned, applied, taken down."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from toolkit import staging
from toolkit.deployment import bootstrap, files, fleet, recording, settle, verify, watch
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs, deployed_models, read, stored
from toolkit.deployment.settle import settled
from toolkit.deployment.verify import Rollout
from toolkit.environment import endpoint_name
from toolkit.errors import TerraformError
from toolkit.keys import Keys
from toolkit.packaging import Package
from toolkit.staging import StagedModel
from toolkit.terraform import Plan, Workspace

STACK = "inference"
ENDPOINT = "aws_sagemaker_endpoint"
MODEL_OF_ADDRESS = re.compile(r'module\.endpoint\["([^"]+)"\]')


@dataclass(frozen=True)
class Prepared:
    """A planned change of the inference stack, with what goes along with it.

    Attributes:
        workspace: where Terraform works.
        plan: the saved plan.
        action: what it does, in the words of the release that it becomes: "apply", "rollback to 3", …
        staged: weights to upload before the plan is applied.
        packages: the Lambda packages that the plan refers to, by file name.
        instance_counts: how many instances served when it was planned, by model and variant.
    """

    workspace: Workspace
    plan: Plan
    action: str
    staged: Mapping[str, StagedModel]
    packages: Mapping[str, Package]
    instance_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def prepare(context: Context) -> Prepared:
    """Bring the account to where the stack can be planned, and plan what the environment file says."""
    bootstrap.ensure(context)
    counts = fleet.instance_counts(context, settled(context, settle.names(context).values()))
    written = files.write(context.project, context.environment, context.console, counts)
    return replace(plan(context, "apply", written.staged, written.packages), instance_counts=counts)


def plan(
    context: Context, action: str, staged: Mapping[str, StagedModel], packages: Mapping[str, Package]
) -> Prepared:
    """Plan the stack with the variables that lie in the environment's build folder."""
    workspace = context.workspace(STACK)
    workspace.init()
    return Prepared(workspace, workspace.plan(), action, staged, packages)


def apply(context: Context, prepared: Prepared, check: Callable[[Outputs], None] | None = None) -> Outputs:
    """Upload weights, apply the plan, see that what was planned is what serves, and record the release.

    Args:
        context: the environment.
        prepared: the plan.
        check: a test of the rollout, which raises if it fails; the release is then not recorded.

    Raises:
        TerraformError: Terraform failed.
        RolloutError: SageMaker does not serve what was planned.
    """
    staging.upload(context.access, prepared.staged, context.console)
    digest = hashlib.sha256(prepared.plan.path.read_bytes()).hexdigest()
    rollout = Rollout()
    if prepared.plan.has_changes:
        rollout = _apply_plan(context, prepared)
    outputs = read(context)
    verify.endpoints(context, outputs, rollout)
    keys_of(context, outputs).ensure_default()
    if check is not None:
        check(outputs)
    recording.record(
        context,
        outputs,
        action=prepared.action,
        changed=prepared.plan.has_changes,
        plan_digest=digest,
        packages=prepared.packages,
        smoke_test="passed" if check else None,
    )
    return outputs


def _apply_plan(context: Context, prepared: Prepared) -> Rollout:
    watched = _endpoints_of(context, prepared.plan)
    rollout = Rollout(frozenset(watched.values()), context.access.now())
    try:
        with watch.watching(context.access, watched) as states:
            prepared.workspace.apply(prepared.plan, states)
    except TerraformError as error:
        # If it is about an endpoint, SageMaker and the container's log know more of it.
        models = deployed_models(stored(context).outputs)
        failed = verify.failed_rollouts(context, models, rollout, str(error))
        if failed is None:
            raise
        raise failed from error
    return rollout


def _endpoints_of(context: Context, plan: Plan) -> dict[str, str]:
    """The endpoints that a plan changes, by model."""
    addresses = [change.address for change in plan.changes if change.resource_type == ENDPOINT]
    models = [match[1] for address in addresses if (match := MODEL_OF_ADDRESS.match(address))]
    return {model: endpoint_name(context.environment.prefix, model) for model in models}


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
