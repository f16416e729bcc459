"""The actions and resources that a request needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping import apigateway, arns, dependents, s3, wafv2
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check, action
from toolkit.local.iam.models import Account

# Operation → action, where the names differ. S3, API Gateway and AWS WAF have their own rules.
_ACTIONS: Mapping[str, Mapping[str, str]] = {
    # Service Authorization Reference, "API operations defined by AWS Budget Service".
    "budgets": {
        "CreateBudget": "ModifyBudget",
        "UpdateBudget": "ModifyBudget",
        "DeleteBudget": "ModifyBudget",
        "CreateNotification": "ModifyBudget",
        "DeleteNotification": "ModifyBudget",
        "DescribeBudget": "ViewBudget",
        "DescribeBudgets": "ViewBudget",
        "DescribeNotificationsForBudget": "ViewBudget",
        "DescribeSubscribersForNotification": "ViewBudget",
    },
    "lambda": {
        "GetLayerVersionByArn": "GetLayerVersion",
        "Invoke": "InvokeFunction",
        "InvokeWithResponseStream": "InvokeFunction",
    },
    "sns": {"PublishBatch": "Publish"},
}
_SESSION_CONTEXT = ("Tags", "TransitiveTagKeys", "SourceIdentity", "ProvidedContexts")
# Parameters that affect permissions in ways that are not supported.
_NOT_SUPPORTED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("sts", "AssumeRole"): _SESSION_CONTEXT,
    ("sts", "AssumeRoleWithWebIdentity"): ("PolicyArns", *_SESSION_CONTEXT),
}


def checks(call: ApiCall, parameters: Mapping[str, Any], body: bytes, account: Account) -> list[Check]:
    """All checks of a request, each of which must pass.

    Args:
        call: the request.
        parameters: from `call.parameters`.
        body: empty unless `call.needs_body`.

    Raises:
        UnmappedRequestError: the request has no known action.
    """
    for parameter in _NOT_SUPPORTED.get((call.prefix, call.operation), ()):
        if parameters.get(parameter):
            raise UnmappedRequestError(f"{parameter} of {call.operation} is not supported here")
    own = list(_own(call, parameters, body, account))
    return [*own, *dependents.checks(call, parameters, body, own, account)]


def _own(call: ApiCall, parameters: Mapping[str, Any], body: bytes, account: Account) -> Iterator[Check]:
    if call.prefix == "s3":
        yield from s3.checks(call, parameters)
    elif call.prefix == "apigateway":
        yield from apigateway.checks(call, parameters, body)
    elif call.prefix == "wafv2":
        yield from wafv2.checks(call, parameters, account)
    else:
        name = _ACTIONS.get(call.prefix, {}).get(call.operation, call.operation)
        needed = action(call.prefix, name)
        if needed is None:
            raise UnmappedRequestError(f"unknown action for {call.prefix}:{call.operation}")
        for resource in arns.of_action(needed, parameters, call.signature.region, account):
            yield Check(needed, resource)


__all__ = ["Check", "checks"]
