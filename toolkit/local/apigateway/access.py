"""IAM authorization of callers (Signature Version 4), permissions of functions, policies of authorizers."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from moto.awslambda.models import lambda_backends
from moto.sts.models import sts_backends
from starlette.datastructures import Headers

from toolkit.local.apigateway.api_request import ApiRequest, Caller
from toolkit.local.apigateway.exceptions import GatewayError, Refusal, misconfigured
from toolkit.local.functions.models import Function
from toolkit.local.iam.callers import caller
from toolkit.local.iam.enforcement import Enforcement
from toolkit.local.iam.exceptions import AuthenticationError
from toolkit.local.iam.models import PARTITION
from toolkit.local.iam.principals import Credentials
from toolkit.local.service import ACCESS_KEY, ACCOUNT_ID, SECRET_KEY

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)
_SERVICE = "execute-api"


@dataclass(frozen=True)
class _Signature:
    credentials: Credentials
    headers: tuple[str, ...]
    signature: str


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
        signature = _read(request)
        try:
            signer = caller(signature.credentials, self._enforcement.account)
        except AuthenticationError as error:
            expired = error.code == "ExpiredToken"
            raise GatewayError(
                Refusal.EXPIRED_TOKEN if expired else Refusal.INVALID_SIGNATURE, error.message
            ) from error
        if not hmac.compare_digest(self._expected(request, signature), signature.signature):
            raise GatewayError(
                Refusal.INVALID_SIGNATURE,
                "The request signature we calculated does not match the signature you provided. Check your "
                "AWS Secret Access Key and signing method. Consult the service documentation for details.",
            )
        decision = self._enforcement.allowed(signer, f"{_SERVICE}:Invoke", request.method_arn)
        if not decision.allowed:
            raise GatewayError(Refusal.ACCESS_DENIED, decision.message)
        request.caller = Caller(signature.credentials.access_key, signer.principal.arn, signer.principal.id)

    def _expected(self, request: ApiRequest, signature: _Signature) -> str:
        keys = Keys(signature.credentials.access_key, self._secret(signature.credentials.access_key))
        aws_request = AWSRequest(
            method=request.http_method,
            url=request.url,
            headers={name: request.headers.get(name, "") for name in signature.headers},
            data=request.body,
        )
        aws_request.context["timestamp"] = request.headers.get("x-amz-date", "")
        signer = SigV4Auth(keys, _SERVICE, signature.credentials.region)
        text = signer.string_to_sign(aws_request, signer.canonical_request(aws_request))
        return str(signer.signature(text, aws_request))

    def _secret(self, access_key: str) -> str:
        if access_key == ACCESS_KEY:
            return SECRET_KEY
        session = sts_backends[ACCOUNT_ID][PARTITION].get_assumed_role_from_access_key(access_key)
        if session is not None:
            return str(session.secret_access_key)
        users = list(self._enforcement.account.iam.users.values())
        keys = [key for user in users for key in user.access_keys if key.access_key_id == access_key]
        return str(keys[0].secret_access_key)


def _read(request: ApiRequest) -> _Signature:
    match = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise GatewayError(Refusal.MISSING_AUTHENTICATION_TOKEN, "Missing Authentication Token")
    headers = Headers({"authorization": f"Credential={match['credential']}"})
    scope = {
        "type": "http",
        "headers": [
            *headers.raw,
            (b"x-amz-security-token", request.headers.get("x-amz-security-token", "").encode()),
        ],
    }
    credentials = Credentials.of(scope)
    if credentials.service != _SERVICE or not request.headers.get("x-amz-date"):
        message = f"Credential should be scoped to correct service: '{_SERVICE}'."
        raise GatewayError(Refusal.INVALID_SIGNATURE, message)
    return _Signature(credentials, tuple(match["headers"].split(";")), match["signature"])


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
