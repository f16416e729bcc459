"""Prepare a change of the inference stack: from the environment file, from a release, or to destroy it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from toolkit.deployment import account, artifacts, idle, releases
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import imports, registry, unstored_state
from toolkit.deployment.recovery.orphans import Orphan
from toolkit.deployment.releases import Release
from toolkit.deployment.rollout import repair, waiters
from toolkit.environment import emulator_limits, endpoint_name
from toolkit.errors import InputError
from toolkit.files import write_atomic
from toolkit.packaging import Package
from toolkit.rendering import RuntimeVariables
from toolkit.staging import StagedModel
from toolkit.terraform import Plan, Workspace
from toolkit.terraform.plan_json import PlanDocument

STACK = "inference"
ENDPOINT = "aws_sagemaker_endpoint"
_MODEL_OF_ADDRESS = re.compile(r'module\.endpoint\["([^"]+)"\]')


class UnchangedError(InputError):
    """The environment already is as a pause or a resume would leave it, or a condition does not hold."""


@dataclass(frozen=True)
class Prepared:
    """A planned change of the inference stack, with everything that applying it needs.

    Attributes:
        workspace: Terraform's working directory.
        plan: the saved plan.
        action: the action that its release records: "apply", "rollback to 3", …
        staged: weights to upload before the apply.
        packages: the Lambda packages that the plan refers to, by file name.
        runtime: the variables that the build folder does not contain.
        failed: addresses of Failed endpoints, which the plan replaces.
        orphans: resources missing in the state that a destroy removes.
        shown: Terraform's description of the plan, if it was requested already.
        began: `time.monotonic()` before the plan locked the state; None for a saved plan.
        release: the release that it deploys again; None for an apply.
    """

    workspace: Workspace
    plan: Plan
    action: str
    staged: Mapping[str, StagedModel] = field(default_factory=dict)
    packages: Mapping[str, Package] = field(default_factory=dict)
    runtime: RuntimeVariables = field(default_factory=RuntimeVariables)
    failed: Sequence[str] = ()
    orphans: Sequence[Orphan] = ()
    shown: Future[PlanDocument] | None = None
    began: float | None = None
    release: Release | None = None

    def describe(self) -> Future[PlanDocument]:
        """Terraform's description of the plan, requested now if it was not yet."""
        return self.shown or self.workspace.show_in_background(self.plan)

    @property
    def has_changes(self) -> bool:
        """Whether applying it changes anything."""
        return self.plan.has_changes or bool(self.orphans)


def environment_file(context: Context) -> Prepared:
    """Plan the environment file, with the account stack up to date."""
    for warning in emulator_limits.warnings(context.environment):
        context.console.warning(warning)
    account.ensure(context)
    descriptions = waiters.wait_until_stable(context, waiters.endpoint_names(context).values())
    repair.warn_failed_rollbacks(context, descriptions)
    counts = waiters.instance_counts(context, descriptions)
    rendered = artifacts.write(context)
    failed = waiters.failed_models(context, descriptions)
    return plan(context, "apply", RuntimeVariables(counts), rendered.staged, rendered.packages, failed)


def rollback(context: Context, number: int | None) -> Prepared:
    """Plan to roll back to release `number`, by default the previous one.

    Raises:
        InputError: there is no such release, or no previous one.
    """
    history = releases.of(context)
    release = history.get(number) if number is not None else _previous(context, history.list())
    return _release(context, release, f"rollback to {release.number}")


def pause(context: Context, idle_seconds: int | None = None) -> Prepared:
    """Plan to delete the endpoints and keep everything else.

    Args:
        context: the environment.
        idle_seconds: how long no endpoint may have received a request; None pauses busy ones, too.

    Raises:
        UnchangedError: there is no release yet, it is paused already or destroyed, or not idle.
    """
    release, name = _latest(context), context.environment.name
    if release.paused:
        raise UnchangedError(f"{name} is already paused", remedy=f"`toolkit resume --env {name}` resumes it")
    _require_deployed(context)
    if idle_seconds is not None:
        models = idle.activity(context, idle_seconds)
        if not all(model.is_idle for model in models):
            raise UnchangedError(
                f"{name} is in use; nothing was changed",
                details=[str(model) for model in models],
                remedy=f"`toolkit pause --env {name}` pauses it anyway",
            )
        for model in models:
            context.console.line(str(model))
    return _release(context, release, "pause", paused=True)


def resume(context: Context) -> Prepared:
    """Plan to deploy the paused release again.

    Raises:
        UnchangedError: there is no release yet, or it is not paused or destroyed.
    """
    release, name = _latest(context), context.environment.name
    if not release.paused:
        remedy = f"`toolkit status --env {name}` shows its endpoints"
        raise UnchangedError(f"{name} is not paused", remedy=remedy)
    _require_deployed(context)
    return _release(context, release, "resume")


def destroy(context: Context, variables: str | None = None) -> Prepared:
    """Plan to destroy the stack, including resources missing in its state.

    Args:
        context: the environment.
        variables: its rendered variables; by default they are rendered now.
    """
    account.ensure(context)
    if variables is None:
        artifacts.write(context)
    else:
        write_atomic(context.build / f"{STACK}.tfvars", variables)
    unstored_state.require_stored(context)
    state_ids = context.state.ids
    # SageMaker does not delete an endpoint in progress, and Terraform would not notice.
    endpoints = {*waiters.endpoint_names(context).values(), *state_ids.get(ENDPOINT, ())}
    waiters.wait_until_stable(context, sorted(endpoints))
    workspace = context.workspace(STACK)
    workspace.init()
    planned = workspace.plan(destroy=True)
    return Prepared(workspace, planned, "destroy", orphans=registry.find_orphans(context, state_ids))


def plan(  # noqa: PLR0913, PLR0917 - each is a part of the plan
    context: Context,
    action: str,
    runtime: RuntimeVariables,
    staged: Mapping[str, StagedModel],
    packages: Mapping[str, Package],
    failed: Iterable[str] = (),
) -> Prepared:
    """Plan the stack with the variables in the environment's build folder.

    Args:
        context: the environment.
        action: the action that its release records.
        runtime: the variables that the build folder does not contain.
        staged: weights to upload before the apply.
        packages: the Lambda packages that the plan refers to, by file name.
        failed: models whose endpoints must be replaced, since SageMaker can only delete them.
    """
    began = time.monotonic()
    unstored_state.require_stored(context)
    # Terraform would not name the address of a damaged state.
    _ = context.state
    workspace = context.workspace(STACK)
    workspace.init()
    runtime_file = runtime.write(context.build)
    replaced = endpoint_addresses(failed)
    planned = workspace.plan(var_files=[runtime_file], replace=replaced)
    if imports.untaint(context, workspace, planned):
        context.reload_state()
        planned = workspace.plan(var_files=[runtime_file], replace=replaced)
    # Describing the plan takes as long as the look-ups, a request for each new resource.
    creates = any(change.action == "create" for change in planned.changes)
    shown = workspace.show_in_background(planned) if creates else None
    resources = imports.find(context, planned, recorded=context.state.ids)
    if resources:
        shown = None
        for line in imports.describe(resources):
            context.console.line(line)
        imports_file = imports.write(resources, workspace.directory)
        planned = workspace.plan(var_files=[runtime_file, imports_file], replace=replaced)
    return Prepared(workspace, planned, action, staged, packages, runtime, replaced, shown=shown, began=began)


def rest(context: Context, prepared: Prepared) -> Prepared | None:
    """Plan what an apply has left of its plan; None if that is more than the plan."""
    replanned = plan(context, prepared.action, prepared.runtime, prepared.staged, prepared.packages)
    planned = {change.address: change.action for change in prepared.plan.changes}
    # The first half of a replacement may be done.
    halves = {"replace": ("replace", "create", "delete")}
    for change in replanned.plan.changes:
        action = planned.get(change.address, "")
        if change.action not in halves.get(action, (action,)):
            return None
    return replanned


def endpoint_addresses(models: Iterable[str]) -> list[str]:
    """The addresses of the models' endpoints in Terraform."""
    return [f'module.endpoint["{model}"].{ENDPOINT}.this[0]' for model in models]


def endpoints_of(context: Context, plan: Plan, action: str | None = None) -> dict[str, str]:
    """The endpoints that a plan changes, or changes by one action, by model."""
    addresses = [
        change.address
        for change in plan.changes
        if change.resource_type == ENDPOINT and action in (None, change.action)
    ]
    models = [match[1] for address in addresses if (match := _MODEL_OF_ADDRESS.match(address))]
    return {model: endpoint_name(context.environment.prefix, model) for model in models}


def _release(context: Context, release: Release, action: str, *, paused: bool = False) -> Prepared:
    if releases.code_differs(context.project.root, release.commit):
        context.console.line(
            f"note: this checkout's Terraform code differs from release {release.number}, and the policies "
            f"have not checked the combination; `git checkout {release.commit}` has the code they checked"
        )
    account.ensure(context)
    packages = context.project.lambda_build
    releases.of(context).restore_packages(release, packages)
    # The recorded variables, with the fleet that autoscaling has chosen since.
    descriptions = waiters.wait_until_stable(context, waiters.endpoint_names(context).values())
    counts = waiters.instance_counts(context, descriptions)
    write_atomic(context.build / f"{STACK}.tfvars", release.variables)
    files = {name: Package(packages / name, sha256) for name, sha256 in release.packages.items()}
    failed = [] if paused else waiters.failed_models(context, descriptions)
    runtime = RuntimeVariables(counts, paused)
    planned = plan(context, action, runtime, staged={}, packages=files, failed=failed)
    return replace(planned, release=release)


def _latest(context: Context) -> Release:
    latest = releases.of(context).latest()
    if latest is None:
        name = context.environment.name
        raise UnchangedError(f"{name} has no release yet", remedy=f"make apply ENV={name}")
    return latest


def _require_deployed(context: Context) -> None:
    """Return unless the environment was destroyed: its releases stay, and a schedule must not revive it."""
    if not context.state.ids:
        name = context.environment.name
        raise UnchangedError(f"{name} is not deployed", remedy=f"make apply ENV={name}")


def _previous(context: Context, history: Sequence[Release]) -> Release:
    """The newest release that differs from what serves now; pauses do not count."""
    serving = [release for release in history if not release.paused]
    for release in serving[1:]:
        if release.variables != serving[0].variables:
            return release
    name = context.environment.name
    raise InputError(f"{name} has no previous release", remedy=f"`toolkit releases --env {name}` lists them")
