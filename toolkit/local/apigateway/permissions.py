"""Whether a function lets API Gateway invoke it: `lambda:AddPermission`, with its source ARN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.awslambda.models import lambda_backends

from toolkit.local.apigateway.errors import misconfigured
from toolkit.local.apigateway.policy import matches
from toolkit.local.functions.function import Function
from toolkit.local.service import ACCOUNT_ID

_PRINCIPAL = "apigateway.amazonaws.com"
_ACTIONS = ("lambda:InvokeFunction", "lambda:*", "*")


def require(function: Function, source_arn: str) -> None:
    """Check that API Gateway may invoke a function.

    Args:
        source_arn: of the method or authorizer that does it.

    Raises:
        GatewayError: it may not. On AWS, too, this shows at the first request only.
    """
    known = lambda_backends[ACCOUNT_ID][function.region].get_function(function.arn)
    if not any(_allows(statement, source_arn) for statement in known.policy.statements):
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
