"""The deployer's permissions, and the roles that a deployment uses.

The environment's own policies say what a deployer needs: tests prove each action of them sufficient and
minimal. So each of their statements is simulated, with the keys of its conditions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from toolkit import iam
from toolkit.aws.concurrent import map_concurrently
from toolkit.deployment.context import Context
from toolkit.environment import Environment
from toolkit.errors import InputError
from toolkit.preflight.results import Result

DEPLOYERS = ("sagemaker-deployer", "api-deployer")
_SHOWN = 6
_ARN = re.compile(r"arn:aws[\w-]*:(iam|sts)::\d{12}:(root|(user|role|assumed-role)/.+)")


@dataclass(frozen=True)
class _Group:
    """Actions of one statement and service, with the resources of that service."""

    policy: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    entries: tuple[Mapping[str, Any], ...]


def actions(context: Context, principal: str | None = None) -> Iterator[Result]:
    """Which actions of a deployment the principal's policies deny."""
    try:
        yield from _actions(context, principal)
    except ClientError as error:
        if principal is None or error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        remedy = "correct --principal, or run `toolkit bootstrap` if it is a role of a pipeline"
        yield Result("rights", "failure", f"{principal.rpartition(':')[2]} does not exist", remedy)


def _actions(context: Context, principal: str | None) -> Iterator[Result]:
    try:
        arn = _principal(context, principal)
    except _NotSimulatedError as reason:
        yield Result("rights", "ok" if reason.is_root else "unknown", str(reason), reason.remedy)
        return
    groups = list(_groups(context))
    denied = map_concurrently(lambda group: _denied(context, arn, group), groups)
    name = arn.rpartition(":")[2]
    for policy in DEPLOYERS:
        lines = sorted(
            {
                line
                for group, lines in zip(groups, denied, strict=True)
                for line in lines
                if group.policy == policy
            }
        )
        if not lines:
            yield Result("rights", "ok", f"{name} has the permissions of {policy}")
            continue
        more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        env = context.environment.name
        yield Result(
            "rights",
            "failure",
            f"{name} is not allowed: {', '.join(lines[:_SHOWN])}{more}",
            f"attach the policy {context.environment.prefix}-{policy} to it: `toolkit bootstrap --env {env}` "
            f"creates it, and `toolkit iam show --env {env} {policy}` prints it",
        )


class _NotSimulatedError(Exception):
    """The permissions of this principal cannot be simulated."""

    def __init__(self, reason: str, remedy: str = "", *, is_root: bool = False) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.is_root = is_root


def _principal(context: Context, principal: str | None) -> str:
    """The user or role whose policies count: a session has those of its role, whose ARN has a path."""
    if principal is not None and not _ARN.fullmatch(principal):
        raise InputError(
            f"{principal} is not the ARN of a user or role",
            remedy="use the form arn:aws:iam::123456789012:role/NAME",
        )
    arn = principal or context.access.sts.get_caller_identity()["Arn"]
    kind = arn.rpartition(":")[2]
    if kind == "root":
        raise _NotSimulatedError("the account's root user has all permissions", is_root=True)
    if kind.startswith("assumed-role/"):
        return str(context.access.iam.get_role(RoleName=kind.split("/")[1])["Role"]["Arn"])
    if not kind.startswith(("user/", "role/")):
        remedy = "pass the ARN of the deployer's user or role with --principal"
        raise _NotSimulatedError(f"{kind} is neither a user nor a role", remedy)
    return arn


def _groups(context: Context) -> Iterator[_Group]:
    for policy in DEPLOYERS:
        for document in iam.document(context.project, context.environment, policy):
            for statement in document.statements:
                yield from _of_statement(policy, statement)


def _of_statement(policy: str, statement: Mapping[str, Any]) -> Iterator[_Group]:
    """Split a statement by service: IAM simulates only actions of the same kind together."""
    by_service: dict[str, list[str]] = {}
    for action in _listed(statement["Action"]):
        by_service.setdefault(action.partition(":")[0], []).append(action)
    # Wildcards stand for names that a deployment chooses.
    resources = [item if item == "*" else item.replace("*", "x") for item in _listed(statement["Resource"])]
    entries = tuple(_entries(statement.get("Condition", {})))
    for service, names in by_service.items():
        own = [item for item in resources if item.split(":")[2:3] == [service]]
        yield _Group(policy, tuple(names), tuple(own or resources), entries)


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _entries(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The condition keys of a request that the statement is meant for."""
    kinds = {"Bool": "boolean", "ForAllValues:StringEquals": "stringList"}
    passed: dict[str, Mapping[str, Any]] = {}
    for operator, keys in condition.items():
        for key, value in keys.items():
            kind = kinds.get(operator, "string")
            passed[key] = {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": _listed(value)}
    yield from passed.values()


def _denied(context: Context, arn: str, group: _Group) -> list[str]:
    """The actions that are denied on all resources of the group: it names them by kind, not by action."""
    try:
        results = _simulate(context, arn, group.actions, group)
    except context.access.iam.exceptions.InvalidInputException:
        results = [result for action in group.actions for result in _simulate(context, arn, (action,), group)]
    allowed = {result["EvalActionName"] for result in results if result["EvalDecision"] == "allowed"}
    explicit = {result["EvalActionName"] for result in results if result["EvalDecision"] == "explicitDeny"}
    return [
        f"{action} (a Deny statement)" if action in explicit else action
        for action in group.actions
        if action not in allowed
    ]


def _simulate(context: Context, arn: str, names: tuple[str, ...], group: _Group) -> list[Any]:
    pages = context.access.iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=arn,
        ActionNames=list(names),
        ResourceArns=list(group.resources),
        ContextEntries=list(group.entries),  # type: ignore[arg-type]
    )
    return [result for page in pages for result in page["EvaluationResults"]]


def execution_role(context: Context) -> Iterator[Result]:
    """Whether the models' role exists, and SageMaker may assume it."""
    environment = context.environment
    configured = environment.account.execution_role
    name = configured.name or str(configured.arn).rpartition("/")[2]
    role = _role(context, name)
    if role is None:
        remedy = f"run `toolkit bootstrap --env {environment.name}`, or correct account.execution_role"
        yield Result("execution role", "failure", f"role {name} does not exist", remedy)
    elif configured.arn is not None and role["Arn"] != configured.arn:
        remedy = "correct account.execution_role.arn"
        yield Result("execution role", "failure", f"role {name} has the ARN {role['Arn']}", remedy)
    elif "sagemaker.amazonaws.com" not in json.dumps(role["AssumeRolePolicyDocument"]):
        remedy = "allow sts:AssumeRole to sagemaker.amazonaws.com in its trust policy"
        yield Result("execution role", "failure", f"role {name} does not trust SageMaker", remedy)
    else:
        yield Result("execution role", "ok", f"{name} exists and trusts SageMaker")


def service_linked_roles(context: Context) -> Iterator[Result]:
    """Whether AWS's own roles exist; AWS creates them at the first use, if the caller may do that."""
    for name, service in _service_roles(context.environment):
        if _role(context, name) is not None:
            yield Result("service role", "ok", f"{name} exists")
        else:
            right = "iam:CreateServiceLinkedRole"
            detail = f"{name} does not exist yet; AWS creates it, if the deployer has {right}"
            remedy = (
                f"or an administrator runs `aws iam create-service-linked-role --aws-service-name {service}`"
            )
            yield Result("service role", "warning", detail, remedy)


def _service_roles(environment: Environment) -> Iterator[tuple[str, str]]:
    scaled = any(
        model.asynchronous is not None
        or any(
            variant.capacity.max > variant.capacity.min or variant.capacity.schedules
            for variant in model.all_resolved(name)
        )
        for name, model in environment.models.items()
    )
    if scaled:
        name = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        yield name, "sagemaker.application-autoscaling.amazonaws.com"
    if environment.api.domain is not None:
        yield "AWSServiceRoleForAPIGateway", "ops.apigateway.amazonaws.com"


def _role(context: Context, name: str) -> Any:
    try:
        return context.access.iam.get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise
