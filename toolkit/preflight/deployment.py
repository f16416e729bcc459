"""Check whether AWS will accept a deployment, before it is planned (ADR 42). Reads only.

Each check yields results. A request that is denied makes its check unknown, and names the missing action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from toolkit import os_errors
from toolkit.aws.concurrent import map_concurrently
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.deployment.context import Context, aws_access, open_context
from toolkit.environment import load
from toolkit.errors import PreflightError, ToolkitError
from toolkit.iam import denials
from toolkit.preflight import api, cost, instances, models, network, rights
from toolkit.preflight.results import Result
from toolkit.project import Project

Check = Callable[[Context], Iterable[Result]]
# By name, in the order of their results.
CHECKS: dict[str, Check] = {
    "state": models.state_bucket,
    "rights": rights.actions,
    "service role": rights.service_linked_roles,
    "execution role": rights.execution_role,
    "quota": instances.quotas,
    "endpoint": instances.endpoint_names,
    "image": models.images,
    "driver": models.drivers,
    "weights": models.weights,
    "disk": models.disks,
    "memory": models.memory,
    "alarm": instances.alarms,
    "key": network.keys,
    "network": network.networks,
    "topic": network.topics,
    "cost alarms": cost.alarms,
    "concurrency": api.concurrency,
    "layer": api.web_adapter,
    "log role": api.log_role,
    "domain": api.domain,
    "guardrail": api.guardrail,
}
# A plan estimates the memory itself, and its caller need not be the deployer.
_NOT_IN_PLAN = ("rights", "memory")


def examine(name: str, console: Console, principal: str | None = None) -> list[Result]:
    """Check an environment.

    Args:
        name: the environment.
        console: the terminal or pipe.
        principal: ARN of the role or user that will deploy; by default the caller.

    Raises:
        InputError: no project, or an invalid environment file.
        CloudNotRunningError: the environment is local and the embedded cloud is not running.
    """
    project = Project.find()
    environment = load(project, name)
    if environment.is_local:
        context = open_context(name, console)
    else:
        access = aws_access(project, environment)
        context = Context(project, environment, access, console, None)
    with console.progress(f"checking {len(CHECKS) + 1} parts of {name}"):
        return inspect(context, principal)


def inspect(context: Context, principal: str | None = None) -> list[Result]:
    """Check an environment whose account may be another one, or not accessible."""
    account = list(_guarded(context, "account", _account))
    if any(result.status != "ok" for result in account):
        # Without credentials, nothing can be deployed.
        account = [replace(result, status="failure") for result in account]
        offline = _guarded(context, "driver", models.drivers)
        return [*account, *offline, Result("others", "unknown", "not checked without access to the account")]
    checks: dict[str, Check] = {**CHECKS, "rights": partial(rights.actions, principal=principal)}
    return [*account, *run(context, checks)]


def problems(context: Context) -> list[str]:
    """The findings that a plan shows: a sentence for each failure and warning."""
    checks = {name: check for name, check in CHECKS.items() if name not in _NOT_IN_PLAN}
    results = run(context, checks)
    return [str(result) for result in results if result.status in ("failure", "warning")]


def run(context: Context, checks: Mapping[str, Check] = CHECKS) -> list[Result]:
    """The results of some checks, which are done in parallel."""
    lists = map_concurrently(lambda item: list(_guarded(context, *item)), checks.items())
    return [result for results in lists for result in results]


def _guarded(context: Context, name: str, check: Check) -> Iterator[Result]:
    """The results of a check; one that could not finish is unknown."""
    try:
        yield from check(context)
    except ToolkitError as error:
        yield Result(name, "failure", error.message, error.remedy or "")
    except Exception as error:
        explained = os_errors.explain(error) if isinstance(error, OSError) else explain(error)
        if explained is None:
            raise
        denied = denials.find(str(error))
        remedy = f"grant {denied[0].action}, or ignore this check" if denied else explained.remedy or ""
        yield Result(name, "unknown", explained.message, remedy)


def _account(context: Context) -> Iterator[Result]:
    try:
        arn = context.access.check_account()
    except PreflightError as error:
        yield Result("account", "failure", f"{error.message} ({error.where})", error.remedy or "")
        return
    yield Result("account", "ok", f"{context.access.account_id} as {arn.rpartition(':')[2]}")
