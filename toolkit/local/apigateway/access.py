"""IAM authorization of callers (Signature Version 4), permissions of functions, policies of authorizers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from moto.awslambda.models import lambda_backends

from toolkit.local.apigateway.api_request import ApiRequest, Caller
from toolkit.local.apigateway.exceptions import GatewayError, Refusal, misconfigured
from toolkit.local.functions.models import Function
from toolkit.local.iam import callers
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.exceptions import AuthenticationError
from toolkit.local.service import ACCOUNT_ID
from toolkit.local.signature import Signature, SignedRequest

_SERVICE = "execute-api"


class IamAuthorization:
    """Verifies signatures, and checks `execute-api:Invoke` while IAM is enforced."""

    def __init__(self, enforcement: Enforcement) -> None:
        self._enforcement = enforcement

    def authorize(self, request: ApiRequest) -> None:
        """Set the caller of a request, if its method uses IAM authorization.

        Raises:
            GatewayError: the signature is invalid, or the caller is not allowed to invoke the method.
        """
        if request.method is None or not request.method.needs_signature:
            return
        signature = Signature.of({"headers": request.headers.raw})
        if not signature.access_key:
            raise GatewayError(Refusal.MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
        if signature.service != _SERVICE:
            message = f"Credential should be scoped to correct service: '{_SERVICE}'."
            raise GatewayError(Refusal.INVALID_SIGNATURE, message)
        account = self._enforcement.account
        try:
            callers.verify(signature, account, _signed_request(request))
            signer = callers.caller(signature, account)
        except AuthenticationError as error:
            expired = error.code == "ExpiredToken"
            raise GatewayError(
                Refusal.EXPIRED_TOKEN if expired else Refusal.INVALID_SIGNATURE, error.message
            ) from error
        decision = self._enforcement.allowed(signer, f"{_SERVICE}:Invoke", request.method_arn)
        if not decision.allowed:
            raise GatewayError(Refusal.ACCESS_DENIED, decision.message)
        request.caller = Caller(signature.access_key, signer.principal.arn, signer.principal.id)


def _signed_request(request: ApiRequest) -> SignedRequest:
    body_hash = hashlib.sha256(request.body).hexdigest()
    return SignedRequest(request.http_method, request.target, request.headers.raw, body_hash)


_PRINCIPAL = "apigateway.amazonaws.com"
_ACTIONS = ("lambda:InvokeFunction", "lambda:*", "*")


def require_permission(function: Function, source_arn: str) -> None:
    """Check that API Gateway may invoke a function (`lambda:AddPermission`).

    Args:
        source_arn: of the invoking method or authorizer.

    Raises:
        GatewayError: it may not. AWS also reports this at the first request only.
    """
    version = lambda_backends[ACCOUNT_ID][function.region].get_function(function.arn)
    if not any(_allows(statement, source_arn) for statement in version.policy.statements):
        raise misconfigured(
            f"{function.name} has no permission for {_PRINCIPAL} to invoke it from {source_arn}"
        )


def _allows(statement: Mapping[str, Any], source_arn: str) -> bool:
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, Mapping) else principal
    condition = statement.get("Condition", {})
    sources = [
        value
        for kind in ("ArnLike", "ArnEquals", "StringLike", "StringEquals")
        for key, value in condition.get(kind, {}).items()
        if key.lower() == "aws:sourcearn"
    ]
    return (
        statement.get("Effect") == "Allow"
        and service in (_PRINCIPAL, "*")
        and statement.get("Action") in _ACTIONS
        and all(matches(str(source), source_arn) for source in sources)
    )


Decision = Literal["allow", "deny", "none"]


def decide(policy: Mapping[str, Any], method_arn: str) -> Decision:
    """Evaluate a policy document: an explicit deny wins, the default is an implicit deny.

    Raises:
        ValueError: it is not a policy document.
    """
    statements = policy.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list) or not all(isinstance(item, Mapping) for item in statements):
        raise ValueError("policyDocument has no Statement")
    effects = {
        str(statement.get("Effect")).lower()
        for statement in statements
        if _matches(statement.get("Action"), "execute-api:Invoke", ignore_case=True)
        and _matches(statement.get("Resource"), method_arn)
    }
    return "deny" if "deny" in effects else "allow" if "allow" in effects else "none"


def _matches(patterns: object, value: str, *, ignore_case: bool = False) -> bool:
    values: Iterable[object] = [patterns] if isinstance(patterns, str) else patterns or []  # type: ignore[assignment]
    return any(matches(str(pattern), value, ignore_case=ignore_case) for pattern in values)


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether a value matches a pattern with IAM's `*` and `?`."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None
