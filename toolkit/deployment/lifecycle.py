"""The lifecycle of every command that changes an environment.

    open → lock → prepare → review → approve → apply → verify → record

`apply`, `rollback`, `pause`, `resume` and `destroy` are variations of it; `plan` stops after the review, and
`drift` plans without changing anything.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from toolkit import keys, packaging, staging
from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.deployment import artifacts, evidence, expiry, locks, outputs, prepare, promotion, releases
from toolkit.deployment.context import Context, open_context
from toolkit.deployment.expiry import Expiry
from toolkit.deployment.outputs import Outputs, deployed_models
from toolkit.deployment.plans import approval, archive
from toolkit.deployment.plans import reviewed as reviewed_plan
from toolkit.deployment.plans.review import Policies, Review, review, write_reports
from toolkit.deployment.prepare import ENDPOINT, STACK, Prepared, endpoints_of
from toolkit.deployment.recovery import cleanup, registry, unstored_state
from toolkit.deployment.recovery.orphans import Orphan
from toolkit.deployment.releases import Release
from toolkit.deployment.rollout import quality, repair, verify, waiters, watch
from toolkit.deployment.rollout.judgement import Judge
from toolkit.deployment.rollout.quality import Gate, QualityError
from toolkit.deployment.rollout.timeline import Recorder
from toolkit.deployment.rollout.verify import Rollout
from toolkit.errors import InputError, PreflightError, SmokeTestError, TerraformError
from toolkit.rendering import RuntimeVariables
from toolkit.report import Summary, text
from toolkit.report.drift import Drift, changes, dated, utc

# The provider's error after CreateEndpoint or UpdateEndpoint succeeded.
_STOPPED_WAITING = re.compile(r"waiting for SageMaker AI Endpoint \([\w-]+\) (create|update): ")
# Finds what AWS will refuse, a sentence each, while Terraform plans.
Checks = Callable[[Context], Sequence[str]]
# Returns the checks, as data; raises SmokeTestError if the deployed environment does not serve.
SmokeTest = Callable[[Context, Outputs], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Consent:
    """Confirmations that the user gave in advance.

    Attributes:
        yes: skip the confirmation prompt.
        allow_destroy: the environment that may lose state, as given with `--allow-destroy`.
    """

    yes: bool = False
    allow_destroy: str | None = None


@dataclass(frozen=True)
class Command:
    """A variation of the lifecycle.

    Attributes:
        prepare: creates the plan.
        question: the confirmation prompt; `{action}`, `{env}` and `{account}` are filled in.
        policies: when the policies check the plan.
        describe: the plan as the user sees it.
        intended: resource types whose destruction is the purpose of the command.
        smoke_test: tests the rollout before it is recorded; if it fails, the last release is rolled back to.
        judge: judges the expectations of models with `rollout.quality`.
        start_cloud: start the embedded cloud if the environment needs it.
        recorder: records the rollout; None if it need not be recorded.
        reviewed: fingerprints of the plan that was reviewed; None if any plan may be applied.
    """

    prepare: Callable[[Context], Prepared]
    question: str
    policies: Policies = "never"
    describe: Callable[[Review], str] = field(default=lambda review: review.prepared.plan.summary())
    intended: Collection[str] = ()
    smoke_test: SmokeTest | None = None
    judge: Judge | None = None
    start_cloud: bool = False
    recorder: Recorder | None = None
    reviewed: Mapping[str, str] | None = None


def apply(
    plan_file: Path | None = None,
    smoke_test: SmokeTest | None = None,
    judge: Judge | None = None,
    reviewed: Mapping[str, str] | None = None,
) -> Command:
    """Deploy the environment file, if its plan is the reviewed one, or exactly a saved plan."""
    return Command(
        prepare.environment_file if plan_file is None else partial(archive.load, path=plan_file),
        "Apply this to {env} (account {account})?",
        policies="changes",
        describe=lambda review: text.render(review.summary),
        smoke_test=smoke_test,
        judge=judge,
        start_cloud=True,
        reviewed=reviewed,
    )


def rollback(number: int | None = None) -> Command:
    """Deploy an earlier release, by default the previous one."""
    return Command(
        partial(prepare.rollback, number=number),
        "{action}?",
        describe=lambda review: f"{review.prepared.action}: {text.render(review.summary)}",
    )


def pause(idle_seconds: int | None = None) -> Command:
    """Delete the endpoints, or only if they have been idle for so long."""
    return Command(
        partial(prepare.pause, idle_seconds=idle_seconds),
        "{action} {env}: its models stop answering until `toolkit resume`?",
        intended=[ENDPOINT],
    )


RESUME = Command(prepare.resume, "{action} {env}: its endpoints cost money again?", intended=[ENDPOINT])


@dataclass(frozen=True)
class Result:
    """A finished command.

    Attributes:
        context: the environment.
        action: what was done: "apply", "rollback to 3", …
        outputs: what is deployed now.
    """

    context: Context
    action: str
    outputs: Outputs


def run(command: Command, env: str, console: Console, consent: Consent, lock_timeout: int = 0) -> Result:
    """Run a command from `open` to `record`.

    Raises:
        ToolkitError: each step raises its own, with the exit code of the step.
    """
    context = open_context(env, console, start_cloud=command.start_cloud, lock_timeout=lock_timeout)
    context = replace(context, recorder=command.recorder)
    with locks.exclusive(context):
        reviewed = review(context, command.prepare, policies=command.policies)
        if command.reviewed is not None:
            reviewed_plan.require_same(context, reviewed, command.reviewed)
        console.line(command.describe(reviewed))
        approve(context, reviewed, command, consent)
        deployed = deploy_tested(context, reviewed.prepared, command.smoke_test, command.judge)
    return Result(context, reviewed.prepared.action, deployed)


def destroy(env: str, console: Console, consent: Consent, lock_timeout: int = 0) -> tuple[Context, int]:
    """Destroy an environment from any state: the same steps, without verification and record.

    Returns:
        The environment, and how many resources were deleted.
    """
    context = open_context(env, console, lock_timeout=lock_timeout)
    approval.require_unprotected(context, consent.allow_destroy)
    with locks.exclusive(context):
        return context, destroy_opened(context, consent)


def destroy_opened(
    context: Context,
    consent: Consent,
    expired: Expiry | None = None,
    confirmed: Callable[[], None] | None = None,
) -> int:
    """Destroy a locked environment.

    Args:
        context: the environment.
        consent: confirmations that the user gave in advance.
        expired: the record of its expiry, with the variables to destroy it with; by default they are rendered
            now. A record of an apply in between stays.
        confirmed: raises if it must not be destroyed after all, now that the plan is ready.

    Returns:
        How many resources were deleted.
    """
    variables = None if expired is None else expired.variables
    prepared, name = prepare.destroy(context, variables), context.environment.name
    context.console.line(prepared.plan.summary())
    for orphan in prepared.orphans:
        context.console.line(f"to delete, although missing in the state: {orphan}")
    if prepared.has_changes:
        account = context.access.account_id
        approval.confirm(context.console, f"Destroy {name} in account {account}?", yes=consent.yes)
    if confirmed is not None:
        confirmed()
    count = _tear_down(context, prepared)
    expiry.end(context, expired)
    return count


@dataclass(frozen=True)
class Planned:
    """A plan that was created, reviewed and saved.

    Attributes:
        context: the environment.
        summary: the reviewed plan.
        path: the saved plan; None if the policies forbid it.
    """

    context: Context
    summary: Summary
    path: Path | None


def plan(env: str, console: Console, lock_timeout: int = 0, checks: Checks | None = None) -> Planned:
    """Plan an environment and save the plan, unless the policies forbid it.

    Args:
        env: the environment.
        console: the terminal or pipe.
        lock_timeout: seconds to wait for locks.
        checks: checks of the account, whose findings are warnings of the plan.
    """
    context = open_context(env, console, start_cloud=True, lock_timeout=lock_timeout)
    path = archive.default_path(context)
    with locks.exclusive(context):
        return _plan(context, path, checks)


def _plan(context: Context, path: Path, checks: Checks | None = None) -> Planned:
    # If this fails, the previous plan must not be applied by mistake.
    path.unlink(missing_ok=True)
    reviewed = review(context, prepare.environment_file, checks=checks)
    subject = replace(reviewed.summary.subject, fingerprints=reviewed_plan.fingerprints(context, reviewed))
    allowed = not (reviewed.summary.policy and reviewed.summary.policy.violations) and not (
        reviewed.summary.cost and reviewed.summary.cost.violation
    )
    if allowed:
        subject = replace(subject, digest=archive.save(context, reviewed, path))
    summary = replace(reviewed.summary, subject=subject)
    write_reports(summary, path)
    return Planned(context, summary, path if allowed else None)


def drift(
    env: str, console: Console, lock_timeout: int = 0, remedy: Path | None = None
) -> tuple[Drift, Planned | None]:
    """Compare an environment with its last apply; changes nothing.

    Args:
        env: the environment.
        console: the user.
        lock_timeout: seconds to wait for locks.
        remedy: where to save the plan that reverts the drift; None to save none.

    Returns:
        The drift, and the plan that reverts it, if there is drift and the plan was requested.

    Raises:
        PreflightError: the environment is not deployed.
        InputError: the plan would also change the release.
    """
    context = open_context(env, console, lock_timeout=lock_timeout)
    environment, access = context.environment, context.access
    # The state of a destroyed environment is empty.
    if not context.state.ids:
        raise PreflightError(f"environment {env} is not deployed", remedy=f"make apply ENV={env}")
    with locks.exclusive(context):
        unstored_state.require_stored(context)
        artifacts.write(context)
        workspace = context.workspace(STACK)
        workspace.init()
        # As if paused: Terraform cannot evaluate the postcondition of an endpoint that is gone, and still
        # compares all resources in the state.
        paused = RuntimeVariables(paused=True).write(workspace.directory)
        planned = workspace.show(workspace.plan(refresh_only=True, var_files=[paused]))
        head = access.s3.head_object(Bucket=environment.state_bucket, Key=environment.state_key)
        release = releases.of(context).latest()
        resources = map_concurrently(partial(dated, access), changes(planned))
        number = release.number if release else None
        drift = Drift(env, utc(head["LastModified"]), number, tuple(resources))
        if remedy is None or not resources:
            return drift, None
        _require_deployed(context, release)
        return drift, _plan(context, remedy)


def _require_deployed(context: Context, release: Release | None) -> None:
    """Return if the environment file is what is deployed, so that its plan only reverts drift.

    Raises:
        InputError: it is not, or the environment is paused.
    """
    name = context.environment.name
    if release is None or release.paused:
        state = "is paused" if release else "has no release"
        raise InputError(
            f"cannot plan to revert the drift of {name}: it {state}",
            remedy=f"`toolkit plan --env {name}` shows what an apply would do",
        )
    variables = (context.build / f"{STACK}.tfvars").read_text(encoding="utf-8")
    # With uncommitted changes, the commit is not the code of the release.
    other_code = not release.uncommitted and releases.code_differs(context.project.root, release.commit)
    if release.variables != variables or other_code:
        where = f"`git checkout {release.commit}` has it" if release.commit else "restore it"
        raise InputError(
            f"cannot plan to revert the drift of {name}: {context.environment.file} or the code is not that "
            f"of release {release.number}",
            remedy=f"{where}; or apply the difference, too: `toolkit plan --env {name}`",
        )


def approve(context: Context, reviewed: Review, command: Command, consent: Consent) -> None:
    """Return if the policies and the user agree; plans without changes and local environments need no prompt.

    Raises:
        PolicyViolationError: a policy forbids it.
        InputError: it destroys something that `--allow-destroy` does not allow, or cannot ask the user.
        InterruptedByUserError: the user declined.
    """
    prepared, environment = reviewed.prepared, context.environment
    approval.require_allowed(
        context, reviewed.summary, consent.allow_destroy, intended=command.intended, failed=prepared.failed
    )
    if prepared.plan.has_changes and not environment.is_local:
        action, account = prepared.action.capitalize(), context.access.account_id
        question = command.question.format(action=action, env=environment.name, account=account)
        approval.confirm(context.console, question, yes=consent.yes)


def deploy_tested(
    context: Context, prepared: Prepared, smoke_test: SmokeTest | None, judge: Judge | None = None
) -> Outputs:
    """Deploy, and roll back to the last release if the smoke test fails, or a model its expectations.

    Raises:
        SmokeTestError: the smoke test failed; the last release serves again, if there is one.
        QualityError: likewise, for the expectations of a model.
    """
    try:
        return deploy(context, prepared, smoke_test, judge)
    except (SmokeTestError, QualityError) as error:
        last = releases.of(context).latest()
        if last is None:
            context.console.warning("there is no earlier release to roll back to; the rollout stays as it is")
            raise
        # Its details follow at the end.
        context.console.line(f"{error.message}; rolling back to release {last.number}")
        deploy(context, prepare.rollback(context, last.number))
        failed = "the smoke test failed" if isinstance(error, SmokeTestError) else error.message
        message = f"{failed}; release {last.number} serves again"
        raise type(error)(message, where=error.where, details=error.details) from error


def deploy(
    context: Context,
    prepared: Prepared,
    smoke_test: SmokeTest | None = None,
    judge: Judge | None = None,
) -> Outputs:
    """Upload weights, apply the plan, verify that SageMaker serves it, and record the release.

    Args:
        context: the environment.
        prepared: the plan.
        smoke_test: tests the rollout; if it fails, the release is not recorded.
        judge: judges the expectations of models with `rollout.quality`, likewise.

    Raises:
        TerraformError: Terraform failed.
        RolloutError: SageMaker does not serve the planned configuration.
        QualityError: it does, but a model does not meet its expectations.
        PreflightError: weights are missing, or the signer cannot sign.
    """
    began = time.monotonic()
    staging.upload(context.access, prepared.staged, context.console)
    if context.signer is not None:
        context.signer.check()
    plan = prepared.plan.path.read_bytes()
    if prepared.action == "apply":
        expiry.renew(context)
    revoke_exposed_keys(context, prepared)
    with quality.gates(context.access, context.environment, judge) as gates:
        rollout = _apply(context, prepared, gates) if prepared.plan.has_changes else Rollout()
        deployed = outputs.read(context)
        rollout = repair.reconcile_failed_rollbacks(context, deployed.models, rollout)
        verify.endpoints(context, deployed, rollout)
        _reconcile_keys(context, deployed)
        judged = _conclude(context, deployed, gates)
    if prepared.action != "apply":
        judged = _judged_before(prepared, deployed)
    checks = smoke_test(context, deployed) if smoke_test is not None else None
    release = releases.record(
        context,
        deployed,
        action=prepared.action,
        changed=prepared.plan.has_changes,
        plan_digest=hashlib.sha256(plan).hexdigest(),
        packages=prepared.packages,
        smoke_test=checks,
        quality=judged,
        definitions=_definitions(context, prepared),
        inputs=evidence.inputs(context, prepared, deployed, plan),
    )
    if context.recorder is not None and release is not None:
        context.recorder.release = release.label
    # A saved plan without changes has locked nothing.
    if prepared.action == "apply" and (prepared.plan.has_changes or prepared.began is not None):
        _clean_up(context, time.monotonic() - (prepared.began or began))
    return deployed


def revoke_exposed_keys(context: Context, prepared: Prepared) -> None:
    """Revoke the keys of callers with a JWT before an authorizer that would accept them from clients.

    Their values are not secret, and the releases of earlier versions have such an authorizer.
    """
    if not packaging.reserves_jwt_keys(prepared.packages):
        keys.of(context.access, context.environment).revoke_jwt_keys()


def _reconcile_keys(context: Context, deployed: Outputs) -> None:
    """Reconcile the API keys, and wait until the API accepts new and moved ones.

    Each attempt counts towards a key's quota and burst, so keys with a quota or a small burst are not tried.
    """
    from toolkit.keys.client import acceptance, attempts  # loads httpx

    environment_keys = keys.of(
        context.access, context.environment, deployed.usage_plan_ids, deployed.jwt_keys
    )
    changed: list[keys.ApiKey] = []
    for line in keys.reconcile(environment_keys, changed.append):
        context.console.line(line)
    tried = [
        key
        for key in changed
        if not keys.is_for_jwts(key.name) and attempts(context.environment, key.name) > 1
    ]
    values = {key.name: environment_keys.value(key) for key in tried}
    if not values:
        return
    with context.console.progress("waiting until the API accepts its new keys"):
        refused = keys.wait_until_accepted(values, acceptance(context.access, deployed.api_base_url))
    if refused:
        context.console.warning(f"the API does not accept these keys yet: {', '.join(refused)}")


def _clean_up(context: Context, seconds: float) -> None:
    """Delete what interrupted applies left; the apply before has succeeded, even if this fails."""
    try:
        cleanup.remove_superseded(context, seconds)
    except (BotoCoreError, ClientError) as error:
        context.console.warning(f"cannot delete what an interrupted apply left: {explain(error)}")
        context.console.line("the next apply tries again")


def _conclude(context: Context, deployed: Outputs, gates: Mapping[str, Gate]) -> dict[str, str]:
    """The configurations that meet their expectations, by endpoint.

    A configuration that no rollout has judged is judged now: of a new endpoint, or of an interrupted apply.

    Raises:
        QualityError: one of them does not; the models are judged one after the other.
    """
    latest = releases.of(context).latest() if gates else None
    judged: dict[str, str] = {}
    for name, gate in gates.items():
        model = deployed.models[name]
        endpoint, configuration = model.endpoint_name, model.endpoint_config_name
        if gate.error is not None:
            reason = explain(gate.error) or gate.error
            context.console.warning(f"{name}: no expectation could roll the release back: {reason}")
        if gate.has_judged or latest is None or latest.quality.get(endpoint) != configuration:
            with context.console.progress(f"{name}: judging the expectations"):
                result = gate.conclude(configuration, model.variant_names)
            context.console.line(f"{name}: {result}")
            if gate.late is not None:
                context.console.warning(f"{name}: {gate.late}")
        judged[endpoint] = configuration
    return judged


def _definitions(context: Context, prepared: Prepared) -> Mapping[str, str]:
    """The digest of the promoted part of each model's definition that is deployed."""
    if prepared.release is not None:
        return prepared.release.definitions
    return promotion.definitions(context.environment, prepared.staged)


def _judged_before(prepared: Prepared, deployed: Outputs) -> dict[str, str]:
    """The configurations that met their expectations when an earlier release was applied, by endpoint."""
    quality = prepared.release.quality if prepared.release is not None else {}
    return dict(releases.configurations(deployed).items() & quality.items())


def _apply(context: Context, prepared: Prepared, gates: Mapping[str, Gate]) -> Rollout:
    names = endpoints_of(context, prepared.plan)
    # An update may have started since the plan was created.
    waiters.wait_until_stable(context, sorted(names.values()))
    replaced = endpoints_of(context, prepared.plan, "replace").values()
    repair.delete_before_create(context, prepared.plan, sorted(replaced))
    rollout = Rollout(frozenset(names.values()), context.access.now(), gates)
    observers = {name: gate.observe for name, gate in gates.items()}
    # The gates work while the toolkit waits longer than Terraform does.
    with watch.watching(context.access, names, observers, context.recorder) as phases:
        while prepared.plan.has_changes:
            try:
                prepared.workspace.apply(prepared.plan, phases)
            except TerraformError as error:
                prepared = _rest(context, prepared, rollout, error)
            else:
                break
    context.reload_state()
    return rollout


def _rest(context: Context, prepared: Prepared, rollout: Rollout, error: TerraformError) -> Prepared:
    """The rest of a plan, after Terraform stopped waiting for endpoints that are as planned by now.

    The provider waits 60 minutes, but SageMaker may take hours (terraform-provider-aws#39040).

    Raises:
        RolloutError: an endpoint is not as planned. SageMaker and the containers' logs know more about it.
        TerraformError: Terraform failed for another reason.
    """
    models = deployed_models(context.reload_state().outputs)
    failed = verify.failed_rollouts(context, models, rollout, str(error))
    if failed is not None:
        raise failed from error
    if not _STOPPED_WAITING.search(str(error)):
        raise error
    context.console.line("Terraform stopped waiting for SageMaker, which has finished: planning the rest")
    rest = prepare.rest(context, prepared)
    if rest is None or endpoints_of(context, rest.plan):
        raise error
    return rest


def _tear_down(context: Context, prepared: Prepared) -> int:
    # The toolkit owns the keys, not Terraform; access ends before the API does.
    keys.of(context.access, context.environment).revoke_all()
    # DNS records are identified by their domain, and AWS refuses to delete an API with a mapping.
    removed = _remove(context, [orphan for orphan in prepared.orphans if orphan.type in registry.INGRESS])
    if prepared.plan.has_changes:
        with watch.watching(context.access, endpoints_of(context, prepared.plan)) as phases:
            prepared.workspace.apply(prepared.plan, phases)
    return prepared.plan.counts.remove + removed + _remove(context, registry.find_orphans(context, {}))


def _remove(context: Context, orphans: Sequence[Orphan]) -> int:
    for orphan in orphans:
        orphan.remove()
        context.console.line(f"deleted {orphan}, which was missing in the state")
    return len(orphans)
