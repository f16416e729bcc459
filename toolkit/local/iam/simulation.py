"""SimulatePrincipalPolicy, which moto lacks, with the evaluator that also authorizes requests.

As AWS's API reference says, neither policies of resources nor of sessions take part, and a request has the
condition keys that the caller passes, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import IAMException, NotFoundException
from moto.iam.models import Role, User
from moto.iam.responses import IamResponse

from toolkit.local.awsapi import Members
from toolkit.local.iam import callers
from toolkit.local.iam.callers import Caller
from toolkit.local.iam.evaluate import Policies, PolicyKind, Request, Used, evaluate
from toolkit.local.iam.models import Account
from toolkit.local.iam.principals import Principal, PrincipalKind

_PAGE = 100


class _InvalidInputError(IAMException):
    code = "InvalidInput"


@dataclass
class _Keys:
    """The condition keys that the caller passes.

    Attributes:
        missing: keys that a policy asked for and the caller did not pass.
    """

    passed: Mapping[str, tuple[str, ...]]
    missing: set[str] = field(default_factory=set)

    def values(self, key: str) -> tuple[str, ...] | None:
        """See `patterns.Context`."""
        values = self.passed.get(key.lower())
        if values is None:
            self.missing.add(key)
        return values


def extend(account: Account) -> None:
    """Add the operation to moto in this process."""
    responses: Any = IamResponse
    responses.simulate_principal_policy = lambda self: ActionResult(
        simulate(account, {name: self._get_param(name) for name in _MEMBERS})
    )


_MEMBERS = ("PolicySourceArn", "ActionNames", "ResourceArns", "ContextEntries", "MaxItems", "Marker")


def simulate(account: Account, members: Mapping[str, Any]) -> Members:
    """The response of SimulatePrincipalPolicy.

    Raises:
        IAMException: there is no such user or role.
    """
    caller = _principal(account, members["PolicySourceArn"])
    entries = members.get("ContextEntries") or []
    passed = {
        entry["ContextKeyName"].lower(): tuple(map(str, entry.get("ContextKeyValues") or ()))
        for entry in entries
    }
    results = list(_results(account, caller, members, passed))
    start = int(members.get("Marker") or 0)
    end = start + int(members.get("MaxItems") or _PAGE)
    more = {"Marker": str(end)} if end < len(results) else {}
    return {"EvaluationResults": results[start:end], "IsTruncated": bool(more), **more}


def _principal(account: Account, arn: str) -> Caller:
    if ":iam::" not in arn:
        # newrelic/newrelic-lambda-cli#96.
        raise _InvalidInputError(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    role = account.role(arn)
    if role is not None:
        return callers.of_role(role, "simulated", account)
    user = next((user for user in list(account.iam.users.values()) if user.arn == arn), None)
    if user is None:
        raise NotFoundException(f"Entity {arn} does not exist")
    return Caller(Principal(PrincipalKind.USER, user.arn, account.id, user.name, user.id), user)


def _results(
    account: Account, caller: Caller, members: Mapping[str, Any], passed: Mapping[str, tuple[str, ...]]
) -> Iterator[Members]:
    owner = caller.owner
    assert isinstance(owner, User | Role)  # noqa: S101 - no other principal has policies
    boundary = account.boundary_arn(owner.arn)
    policies = Policies(
        identity=tuple(account.identity_policies(owner)),
        boundary=account.managed_policy(boundary) if boundary else None,
    )
    for action in members["ActionNames"]:
        for resource in members.get("ResourceArns") or ["*"]:
            keys = _Keys(passed)
            verdict = evaluate(Request(caller.principal, action, resource, keys), policies)
            denied = "explicitDeny" if verdict.explicit else "implicitDeny"
            result = {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed" if verdict.allowed else denied,
                "MatchedStatements": [_matched(used) for used in verdict.used],
                "MissingContextValues": sorted(keys.missing),
            }
            if boundary:
                allowed = verdict.by is not PolicyKind.BOUNDARY
                result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
            yield result


def _matched(used: Used) -> Members:
    return {"SourcePolicyId": used.policy, "SourcePolicyType": "IAM Policy"}
