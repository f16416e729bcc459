"""Review a plan: check it against the policies and summarize it."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from toolkit.console import Console
from toolkit.cost import price_list_api
from toolkit.cost.estimate import estimate
from toolkit.cost.plan import plan_costs
from toolkit.cost.prices import Prices
from toolkit.deployment import measured, releases
from toolkit.deployment.context import Context
from toolkit.deployment.prepare import Prepared
from toolkit.environment.loader import read
from toolkit.errors import InputError, InterruptedByUserError
from toolkit.files import write_atomic
from toolkit.gate import Gate, GateSettings, PolicyException, Severity
from toolkit.report import Subject, Summary, data, html, markdown, summarize, text

Policies = Literal["always", "changes", "never"]
# The formats of a summary, by the name of their option.
FORMATS: dict[str, Callable[[Summary], str]] = {
    "text": text.render,
    "json": lambda summary: json.dumps(data.render(summary), indent=2),
    "markdown": markdown.render,
    "html": html.render,
}
# Terraform's actions of a resource that a plan leaves as it is.
_UNCHANGED = (["no-op"], ["read"])
# Written next to the plan, so that a pipeline that plans once has them all.
_FILES = {"json": ".json", "markdown": ".md", "html": ".html"}


@dataclass(frozen=True)
class Review:
    """A reviewed plan.

    Attributes:
        prepared: the plan.
        summary: its effects and the policy report.
        changes_digest: SHA-256 of its changes with all values, hexadecimal.
    """

    prepared: Prepared
    summary: Summary
    changes_digest: str


def review(
    context: Context,
    prepare: Callable[[Context], Prepared],
    *,
    policies: Policies = "always",
    checks: Callable[[Context], Sequence[str]] | None = None,
) -> Review:
    """Plan, check the plan against the policies, and summarize it.

    Args:
        context: the environment.
        prepare: creates the plan.
        policies: when to check: always, if there are changes, or never, as for a release that passed before.
        checks: finds what AWS will refuse, on AWS only.
    """
    planned: Mapping[str, Any] = {}
    report = None
    findings: Sequence[str] = ()
    environment = context.environment
    with ExitStack() as stack:
        checking = pricing = None
        # Terraform takes longer than either.
        pool = stack.enter_context(ThreadPoolExecutor(2, thread_name_prefix="review"))
        if checks is not None and not environment.is_local:
            checking = pool.submit(checks, context)
        # checkov takes seconds to start, so it starts while Terraform plans, or, if a plan without changes
        # would not need it, while Terraform shows the plan.
        early = policies == "always" or (policies == "changes" and not context.state.outputs)
        gate = stack.enter_context(start_gate(context)) if early else None
        prepared = prepare(context)
        if prepared.action == "apply" and not environment.is_local:
            pricing = pool.submit(price_list_api.of_environment, environment, context.access, estimate)
        description = None
        if prepared.plan.has_changes or policies == "always":
            description = prepared.describe()
            if policies == "changes" and gate is None:
                gate = stack.enter_context(start_gate(context))
        commit, uncommitted = releases.checkout_commit(context.project.root)
        if description is not None:
            try:
                planned = description.result()
            except KeyboardInterrupt:
                raise InterruptedByUserError("terraform show was interrupted; nothing was changed") from None
            if gate is not None:
                # Only the installation, on first use, takes longer than a plan.
                title = "checking policies" + ("" if gate.done() else " (installing checkov, once)")
                with context.console.progress(title):
                    report = gate.result().check_plan(planned, prepared.workspace.stack)
        if checking is not None:
            findings = checking.result()
    subject = Subject(
        environment=environment.name,
        account_id=environment.account_id,
        region=environment.region,
        commit=commit,
        uncommitted=uncommitted,
        renews_expiry=environment.ttl is not None and prepared.action == "apply",
    )
    plan = prepared.plan
    summary = summarize(planned, subject, plan.summary(), has_changes=plan.has_changes, policy=report)
    summary = replace(summary, warnings=(*warnings(context, prepared.action, planned), *findings))
    prices = Prices.of(environment) if pricing is None else pricing.result()
    if plan.has_changes:
        summary = replace(summary, cost_changes=plan_costs(planned, prices))
    if prepared.action == "apply":
        summary = replace(summary, cost=estimate(environment, prices))
    return Review(prepared, summary, _changes_digest(planned))


def _changes_digest(planned: Mapping[str, Any]) -> str:
    """SHA-256 of what a plan changes; the same for plans without changes, described or not."""
    resources = [
        {"address": resource["address"], "deposed": resource.get("deposed"), "change": resource["change"]}
        for resource in planned.get("resource_changes", ())
        if resource["change"]["actions"] not in _UNCHANGED
    ]
    outputs = {
        name: change
        for name, change in planned.get("output_changes", {}).items()
        if change["actions"] not in _UNCHANGED
    }
    return hashlib.sha256(json.dumps([resources, outputs], sort_keys=True).encode()).hexdigest()


def warnings(context: Context, action: str, planned: Mapping[str, Any]) -> Iterator[str]:
    """A warning for each setting that the plan outdates, and for each model that will not start.

    Args:
        context: the environment.
        action: action of the plan; only `apply` deploys the models of the environment file.
        planned: Terraform's description of the plan.
    """
    environment = context.environment
    yield from measured.outdated(environment, planned)
    if action == "apply" and not environment.is_local:
        from toolkit.deployment import fit  # loads types that no other command needs

        yield from fit.warnings(context.project, environment)


def check_path(plan: Path) -> None:
    """Check that a plan and its reports can be saved at a path that a user chose.

    Raises:
        InputError: a report would replace the plan, or another file.
    """
    remedy = "name a file without a suffix, such as build/ENV/revert"
    if plan.suffix:
        reason = "the reports next to it differ in the suffix"
        raise InputError(f"cannot save a plan as {plan.name}: {reason}", where=str(plan), remedy=remedy)
    others = [path.name for suffix in _FILES.values() if (path := plan.with_suffix(suffix)).exists()]
    if others and not plan.exists():
        reason = f"its report would replace {others[0]}"
        raise InputError(f"cannot save a plan as {plan.name}: {reason}", where=str(plan), remedy=remedy)


def write_reports(summary: Summary, plan: Path) -> None:
    """Write the summary in every format next to a plan file."""
    for name, suffix in _FILES.items():
        write_atomic(plan.with_suffix(suffix), FORMATS[name](summary) + "\n")


@contextmanager
def start_gate(context: Context) -> Iterator[Future[Gate]]:
    """Start the policy gate in the background of the block.

    checkov is installed on first use, which takes half a minute, also in the background.
    """
    silent_console = Console(err=io.StringIO(), interactive=False)
    with ThreadPoolExecutor(1, thread_name_prefix="policy-gate") as pool:
        gate = pool.submit(Gate, context.project, silent_console, gate_settings(context))
        try:
            yield gate
        finally:
            if gate.cancel() is False and gate.exception() is None:
                gate.result().__exit__(None, None, None)


def gate_settings(context: Context) -> GateSettings:
    """The environment file's threshold and exceptions, with their lines in the file."""
    policy, file = context.environment.policy, context.environment.file
    if not policy.exceptions:
        return GateSettings(Severity.parse(policy.fail_at))
    source = read(context.project, context.environment.name)
    exceptions = [
        PolicyException(
            rule=exception.rule,
            resource=exception.resource,
            reason=exception.reason,
            expires=exception.last_day,
            file=file,
            line=source.line(("policy", "exceptions", index)),
        )
        for index, exception in enumerate(policy.exceptions)
    ]
    return GateSettings(Severity.parse(policy.fail_at), exceptions)
