"""Authorizes requests and services, and logs the decisions."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.sts.models import sts_backends
from starlette.types import Scope

from toolkit.local.iam import callers
from toolkit.local.iam.callers import Caller
from toolkit.local.iam.evaluate import PolicyKind, Request, Used, Verdict, evaluate
from toolkit.local.iam.exceptions import PolicyError, UnmappedRequestError
from toolkit.local.iam.mapping import checks as mapping
from toolkit.local.iam.mapping.condition_keys import RequestContext, Situation, global_keys
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check
from toolkit.local.iam.mapping.reference import action as find_action
from toolkit.local.iam.models import (
    PARTITION,
    Account,
    identify_root,
    keep_session_policies,
    keep_user_boundaries,
)
from toolkit.local.iam.principals import Principal
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import DEFAULT_REGION, Signature

# AWS's maximum; services renew credentials before they expire.
SESSION_SECONDS = 12 * 3600
_WEB_IDENTITY = "AssumeRoleWithWebIdentity"


@dataclass(frozen=True)
class SessionCredentials:
    """Temporary credentials of a role.

    Attributes:
        expiration: when they end.
    """

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime

    def environment(self) -> dict[str, str]:
        """As environment variables for an AWS SDK."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


class DeniedError(Exception):
    """A service is not authorized.

    Attributes:
        decision: the denial.
    """

    def __init__(self, decision: Decision) -> None:
        super().__init__(decision.message)
        self.decision = decision


class Enforcement:
    """IAM of the embedded cloud, shared by all services.

    Attributes:
        enforced: if False, every request is allowed without evaluation.
        account: the account of all resources.
        log: decisions while enforced.
    """

    def __init__(self, *, enforced: bool = False, root_secret: str = "") -> None:
        self.enforced = enforced
        self.account = Account(ACCOUNT_ID, root_secret)
        self.log = DecisionLog()
        keep_user_boundaries()
        keep_session_policies()
        identify_root()

    def authorize(self, call: ApiCall, body: bytes) -> Decision | None:
        """Authorize a request to an AWS API.

        Args:
            call: from `operations.identify`.
            body: the whole body if `call.needs_body`.

        Returns:
            The first denial, or None if the request is allowed.

        Raises:
            AuthenticationError: the credentials are invalid.
        """
        caller = callers.caller(call.signature, self.account)
        operation = f"{call.prefix}:{call.operation}"
        if operation == "sts:GetCallerIdentity":
            # AWS allows it regardless of policies.
            return None
        try:
            parameters = call.parameters(body if call.needs_body else b"")
            checks = mapping.checks(call, parameters, body, self.account)
        except UnmappedRequestError as error:
            return self._record(_unmapped(caller, operation, error))
        known_keys: dict[str, tuple[str, ...]] = {}
        if call.operation == _WEB_IDENTITY:
            caller, known_keys = callers.web_identity_caller(
                str(parameters["WebIdentityToken"]), checks[0].action, self.account
            )
        # Evaluate all checks, so that the log shows everything that a request needs.
        decisions = [
            self._decide(
                Situation(check, caller, self.account, call, parameters), call.signature.region, known_keys
            )
            for check in checks
        ]
        return next((decision for decision in decisions if not decision.allowed), None)

    def unmapped(self, scope: Scope, error: UnmappedRequestError) -> Decision:
        """Deny a request for an unknown operation.

        Raises:
            AuthenticationError: the credentials are invalid.
        """
        caller = callers.caller(Signature.of(scope), self.account)
        operation = Signature.of(scope).service or "unknown"
        return self._record(_unmapped(caller, operation, error))

    def allowed(
        self,
        caller: Caller,
        action: str,
        resource: str,
        context: Mapping[str, str] | None = None,
        *,
        always: bool = False,
    ) -> Decision:
        """Authorize an action of a service; always allowed unless enforced.

        Args:
            caller: from `role` or `service`.
            action: such as `s3:GetObject`.
            resource: its ARN, or `*`.
            context: additional condition keys, such as `aws:SourceArn`.
            always: evaluate the policies even if IAM is not enforced.

        Raises:
            LookupError: the action does not exist.
        """
        if not self.enforced and not always:
            return Decision(caller.principal.arn, action, resource, allowed=True)
        known_action = find_action(*action.split(":", 1))
        if known_action is None:
            raise LookupError(f"{action} is not an IAM action")
        situation = Situation(Check(known_action, resource), caller, self.account)
        known_keys = {name: (value,) for name, value in (context or {}).items()}
        return self._decide(situation, DEFAULT_REGION, known_keys)

    def role(self, role_arn: str, session_name: str) -> Caller:
        """A service with a role that was passed to it, for `allowed`.

        Raises:
            LookupError: the role does not exist.
        """
        role = self.account.role(role_arn)
        if role is None:
            raise LookupError(f"{role_arn} does not exist")
        return callers.of_role(role, session_name, self.account)

    @staticmethod
    def service(name: str) -> Caller:
        """A service principal, such as `apigateway.amazonaws.com`, for `allowed`."""
        return Caller(Principal.service(name))

    def issue_role_credentials(
        self,
        role_arn: str,
        service: str,
        session_name: str,
        *,
        region: str = DEFAULT_REGION,
        source_arn: str = "",
    ) -> SessionCredentials:
        """Issue credentials of a role for a service's process, such as a function.

        Args:
            role_arn: the role that was passed to the service.
            service: the service principal, such as `lambda.amazonaws.com`, which the role must trust.
            session_name: on AWS the function's name.
            region: of the session.
            source_arn: the resource on whose behalf the service acts.

        Raises:
            DeniedError: the role does not trust the service, or does not exist.
        """
        context = {"aws:SourceAccount": self.account.id}
        if source_arn:
            context["aws:SourceArn"] = source_arn
        decision = self.allowed(self.service(service), "sts:AssumeRole", role_arn, context)
        if not decision.allowed:
            raise DeniedError(decision)
        session = sts_backends[self.account.id][PARTITION].assume_role(
            region_name=region,
            role_session_name=session_name,
            role_arn=role_arn,
            policy="",
            duration=SESSION_SECONDS,
            external_id="",
        )
        return SessionCredentials(
            session.access_key_id,
            session.secret_access_key,
            session.session_token,
            session.expiration.replace(tzinfo=UTC),
        )

    def _decide(
        self, situation: Situation, region: str, known_keys: Mapping[str, tuple[str, ...]]
    ) -> Decision:
        check, caller = situation.check, situation.caller
        always = global_keys(caller, region, check.resource, self.account)
        context = RequestContext(situation, {**always, **known_keys})
        request = Request(caller.principal, check.action.name, check.resource, context)
        try:
            policies = callers.policies(caller, check.resource, check.action.name, self.account)
            verdict = evaluate(request, policies)
            reason = _reason(verdict, check.action.name)
        except PolicyError as error:
            verdict = Verdict(allowed=False, explicit=False, by=None, used=())
            reason = f"because a policy cannot be evaluated: {error}"
        operation = (
            f"{situation.call.prefix}:{situation.call.operation}" if situation.call is not None else ""
        )
        decision = Decision(
            principal=caller.principal.arn,
            action=check.action.name,
            resource=check.resource,
            allowed=verdict.allowed,
            reason=reason,
            context=context.record(),
            statements=verdict.used,
            operation=operation,
        )
        return self._record(decision)

    def _record(self, decision: Decision) -> Decision:
        self.log.add(decision)
        return decision


def _reason(verdict: Verdict, action: str) -> str:
    if verdict.by is None:
        return ""
    article = "an" if verdict.by is PolicyKind.IDENTITY else "a"
    if verdict.explicit:
        return f"with an explicit deny in {article} {verdict.by.value}"
    return f"because no {verdict.by.value} allows the {action} action"


def _unmapped(caller: Caller, operation: str, error: UnmappedRequestError) -> Decision:
    reason = f"because the embedded cloud does not know its action: {error}"
    return Decision(caller.principal.arn, operation, "*", allowed=False, reason=reason, operation=operation)


# The first apply makes about 300, of 2 KB each.
MAX_DECISIONS = 10_000


@dataclass(frozen=True)
class Decision:
    """Whether a principal may perform an action.

    Attributes:
        principal: ARN of the caller.
        action: such as `sagemaker:CreateEndpoint`; the operation's name if it is not mapped to an action.
        resource: ARN, or `*`.
        reason: the end of AWS's message "is not authorized to perform …"; empty if allowed.
        context: the condition keys.
        statements: all matching statements.
        operation: the operation that needs the action, such as `sagemaker:CreateEndpoint`.
    """

    principal: str
    action: str
    resource: str
    allowed: bool
    reason: str = ""
    context: Mapping[str, list[str]] = field(default_factory=dict)
    statements: tuple[Used, ...] = ()
    operation: str = ""

    @property
    def message(self) -> str:
        """AWS's message for a denied request."""
        # S3 puts the resource in quotation marks.
        resource = f'"{self.resource}"' if self.action.startswith("s3:") else self.resource
        denied = f"is not authorized to perform: {self.action} on resource: {resource}"
        return f"User: {self.principal} {denied} {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """An item of `/_toolkit/iam/decisions`."""
        statements = [
            {
                "kind": used.kind.value,
                "policy": used.policy,
                "sid": used.sid,
                "index": used.index,
                "effect": used.effect.value,
            }
            for used in self.statements
        ]
        return {
            "principal": self.principal,
            "operation": self.operation,
            "action": self.action,
            "resource": self.resource,
            "allowed": self.allowed,
            "reason": self.reason,
            "context": self.context,
            "statements": statements,
        }


class DecisionLog:
    """The latest decisions, in order. Thread-safe."""

    def __init__(self, size: int = MAX_DECISIONS) -> None:
        self._items: deque[tuple[int, Decision]] = deque(maxlen=size)
        self._numbers = itertools.count(1)

    def add(self, decision: Decision) -> None:
        """Add a decision, and drop the oldest if the log is full."""
        self._items.append((next(self._numbers), decision))

    def after(self, number: int, principal: str | None = None) -> Iterable[tuple[int, Decision]]:
        """Decisions with numbers above `number`, oldest first; numbers start at 1.

        Args:
            principal: ARN of a caller, to filter by.
        """
        return [
            (at, item)
            for at, item in list(self._items)
            if at > number and principal in (None, item.principal)
        ]

    def clear(self) -> None:
        """Clear the log, but continue the numbers."""
        self._items.clear()
