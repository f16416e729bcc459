"""The inference stack: prepared, planned, applied."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from toolkit import staging
from toolkit.deployment import bootstrap, files, fleet
from toolkit.deployment.api import apikeys
from toolkit.deployment.context import Context
from toolkit.deployment.cutoff import adoption, marks
from toolkit.deployment.outputs import Outputs, deployed_models, read, stored
from toolkit.deployment.releases import recording
from toolkit.deployment.rollout import mend, replacing, settle, verify, watch
from toolkit.deployment.rollout.settle import settled
from toolkit.deployment.rollout.verify import Rollout
from toolkit.environment import emulator_limits, endpoint_name
from toolkit.errors import TerraformError
from toolkit.packaging import Package
from toolkit.staging import StagedModel
from toolkit.terraform import Plan, Watch, Workspace

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
        failed: addresses of endpoints that are Failed, and made anew.
    """

    workspace: Workspace
    plan: Plan
    action: str
    staged: Mapping[str, StagedModel]
    packages: Mapping[str, Package]
    instance_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failed: Sequence[str] = ()


def prepare(context: Context) -> Prepared:
    """Bring the account to where the stack can be planned, and plan what the environment file says."""
    for each in emulator_limits.warnings(context.environment):
        context.console.warning(each)
    bootstrap.ensure(context)
    found = settled(context, settle.names(context).values())
    mend.warn(context, found)
    counts = fleet.instance_counts(context, found)
    written = files.write(context.project, context.environment, context.console, counts)
    planned = plan(context, "apply", written.staged, written.packages, settle.failed(context, found))
    return replace(planned, instance_counts=counts)


def plan(
    context: Context,
    action: str,
    staged: Mapping[str, StagedModel],
    packages: Mapping[str, Package],
    failed: Iterable[str] = (),
) -> Prepared:
    """Plan the stack with the variables that lie in the environment's build folder.

    Args:
        context: the environment.
        action: in the words of the release that it becomes.
        staged: weights to upload before the plan is applied.
        packages: the Lambda packages that the plan refers to, by file name.
        failed: models whose endpoints SageMaker only lets be deleted; others take their place.
    """
    # Terraform would not say where a state lies that is damaged.
    stored(context)
    workspace = context.workspace(STACK)
    workspace.init()
    replace = [f'module.endpoint["{model}"].{ENDPOINT}.this[0]' for model in failed]
    planned = workspace.plan(replace=replace)
    if marks.remove(context, workspace, planned):
        planned = workspace.plan(replace=replace)
    left = adoption.find(context, planned)
    if left:
        for line in adoption.describe(left):
            context.console.line(line)
        adopt = adoption.write(left, workspace.directory)
        planned = workspace.plan(var_files=[adopt], replace=replace)
    return Prepared(workspace, planned, action, staged, packages, failed=replace)


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
    rollout = mend.bring_together(context, outputs.models, rollout)
    verify.endpoints(context, outputs, rollout)
    apikeys.bring_up_to_date(context, outputs)
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
    touched = frozenset(_endpoints_of(context, prepared.plan).values())
    # Since the plan was made, somebody may have begun an update of their own.
    settled(context, sorted(touched))
    replaced = _endpoints_of(context, prepared.plan, "replace").values()
    replacing.make_room(context, prepared.plan, sorted(replaced))
    rollout = Rollout(touched, context.access.now())
    try:
        with watching(context, prepared.plan) as states:
            prepared.workspace.apply(prepared.plan, states)
    except TerraformError as error:
        # If it is about an endpoint, SageMaker and the container's log know more of it.
        models = deployed_models(stored(context).outputs)
        failed = verify.failed_rollouts(context, models, rollout, str(error))
        if failed is None:
            raise
        raise failed from error
    return rollout


def watching(context: Context, plan: Plan) -> AbstractContextManager[Watch]:
    """Watch the endpoints that a plan changes while it is applied."""
    return watch.watching(context.access, _endpoints_of(context, plan))


def _endpoints_of(context: Context, plan: Plan, action: str | None = None) -> dict[str, str]:
    """The endpoints that a plan changes, or does one thing to, by model."""
    addresses = [
        change.address
        for change in plan.changes
        if change.resource_type == ENDPOINT and action in (None, change.action)
    ]
    models = [match[1] for address in addresses if (match := MODEL_OF_ADDRESS.match(address))]
    return {model: endpoint_name(context.environment.prefix, model) for model in models}
