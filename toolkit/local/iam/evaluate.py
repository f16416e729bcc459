"""AWS's policy evaluation logic within one account, without I/O.

Source: "How AWS enforcement code logic evaluates requests to allow or deny access" in AWS's user guide,
without organizations. `callers` collects the policies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from toolkit.local.iam.patterns import Context
from toolkit.local.iam.policy import Effect, Policy, Reach
from toolkit.local.iam.principals import Principal, PrincipalKind


class PolicyKind(Enum):
    """The type of a policy, as AWS's denials name it."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


@dataclass(frozen=True)
class Request:
    """A request to evaluate.

    Attributes:
        action: such as `s3:GetObject`.
        resource: an ARN, or `*` for an action without resources.
        context: the condition keys.
    """

    principal: Principal
    action: str
    resource: str
    context: Context


@dataclass(frozen=True)
class Policies:
    """All policies that apply to a request.

    Attributes:
        identity: inline, attached and from groups.
        boundary: the permissions boundary.
        session: the session policies of an assumed role, of which one must allow the request.
        resource: the policy of the resource.
        resource_kind: `TRUST` for a role to assume.
        resource_decides: whether the resource's policy must allow the request, as for trust policies and KMS
            keys.
    """

    identity: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session: tuple[Policy, ...] = ()
    resource: Policy | None = None
    resource_kind: PolicyKind = PolicyKind.RESOURCE
    resource_decides: bool = False


@dataclass(frozen=True)
class Used:
    """A statement that matches a request.

    Attributes:
        policy: the name of the policy.
        sid: may be empty.
        index: in the policy, from 0.
    """

    kind: PolicyKind
    policy: str
    sid: str
    index: int
    effect: Effect
    reach: Reach = Reach.NONE


@dataclass(frozen=True)
class Verdict:
    """The result of an evaluation.

    Attributes:
        explicit: whether a `Deny` statement decided.
        by: the type of policy that denies, or lacks an `Allow`; None if allowed.
        used: all matching statements, including those that did not decide.
    """

    allowed: bool
    explicit: bool
    by: PolicyKind | None
    used: tuple[Used, ...]


def evaluate(request: Request, policies: Policies) -> Verdict:
    """Evaluate a request.

    Raises:
        PolicyError: a statement cannot be evaluated, and the request must be denied.
    """
    used = tuple(_used(request, policies))
    denial = next((item for item in used if item.effect is Effect.DENY), None)
    if denial is not None:
        return Verdict(allowed=False, explicit=True, by=denial.kind, used=used)
    missing = _missing(request.principal, policies, used)
    return Verdict(allowed=missing is None, explicit=False, by=missing, used=used)


def _missing(principal: Principal, policies: Policies, used: tuple[Used, ...]) -> PolicyKind | None:
    """The type of policy that lacks an `Allow`, if any."""
    reach = max((item.reach for item in used if item.kind is policies.resource_kind), default=Reach.NONE)
    if policies.resource_decides and not reach:
        return policies.resource_kind
    if reach is Reach.DIRECT or (reach is Reach.ROLE and principal.kind is not PrincipalKind.SESSION):
        return None
    if principal.kind in (PrincipalKind.SERVICE, PrincipalKind.FEDERATED, PrincipalKind.ANONYMOUS):
        return policies.resource_kind
    needed = {
        PolicyKind.IDENTITY: reach is not Reach.ROLE and principal.kind is not PrincipalKind.ROOT,
        PolicyKind.BOUNDARY: policies.boundary is not None,
        PolicyKind.SESSION: bool(policies.session),
    }
    allowing = {item.kind for item in used}
    return next((kind for kind, is_needed in needed.items() if is_needed and kind not in allowing), None)


def _used(request: Request, policies: Policies) -> Iterable[Used]:
    by_kind: list[tuple[PolicyKind, Policy | None]] = [
        *((PolicyKind.IDENTITY, policy) for policy in policies.identity),
        (policies.resource_kind, policies.resource),
        (PolicyKind.BOUNDARY, policies.boundary),
        *((PolicyKind.SESSION, policy) for policy in policies.session),
    ]
    for kind, policy in by_kind:
        if policy is None:
            continue
        for statement in policy.statements:
            reach = Reach.NONE
            if kind is policies.resource_kind:
                reach = statement.reach(request.principal)
                if not reach:
                    continue
            if statement.applies(request.action, request.resource, request.context):
                yield Used(kind, policy.name, statement.sid, statement.index, statement.effect, reach)
