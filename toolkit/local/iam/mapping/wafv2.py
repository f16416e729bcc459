"""AWS WAF: web ACLs by scope, name and id, their associated resources and their managed rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.wafv2.models import wafv2_backends

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check, action
from toolkit.local.iam.models import PARTITION, Account

# Parameter → part of the ARN.
_SCOPES = {"REGIONAL": "regional", "CLOUDFRONT": "global"}
_ARN_PARAMETERS = ("WebACLArn", "ResourceARN", "ARN")
# The reference's name of a stage, with which a web ACL can be associated.
_STAGE = "apigateway"
_MANAGED = "ManagedRuleGroupStatement"


def checks(call: ApiCall, parameters: Mapping[str, Any], account: Account) -> Iterator[Check]:
    """The checks of an operation on web ACLs.

    Raises:
        UnmappedRequestError: it is an operation on another resource.
    """
    needed = action("wafv2", call.operation)
    kinds = {kind.name for kind in needed.resource_types} if needed is not None else set()
    if needed is None or (kinds and not kinds & {"webacl", _STAGE}):
        raise UnmappedRequestError(f"{call.operation} of AWS WAF is not supported here")
    if not kinds:
        yield Check(needed, "*")
    region = call.signature.region
    if "webacl" in kinds:
        for web_acl in _web_acls(parameters, region, account):
            yield Check(needed, web_acl)
    if _STAGE in kinds:
        yield Check(needed, str(parameters["ResourceArn"]))
    if _has_managed_rules(parameters.get("Rules")):
        # AWS checks all of them in the caller's account, whichever are used.
        yield Check(needed, _arn(region, account, parameters, "managedruleset/*/*"))


def _web_acls(parameters: Mapping[str, Any], region: str, account: Account) -> Iterator[str]:
    arn = next((parameters[name] for name in _ARN_PARAMETERS if name in parameters), None)
    if arn is not None:
        yield str(arn)
    elif "ResourceArn" in parameters:
        protecting = wafv2_backends[account.id][region].get_web_acl_for_resource(parameters["ResourceArn"])
        yield from [protecting.arn] if protecting is not None else []
    else:
        name, id_ = (str(parameters.get(key, "*")) for key in ("Name", "Id"))
        yield _arn(region, account, parameters, f"webacl/{name}/{id_}")


def _arn(region: str, account: Account, parameters: Mapping[str, Any], resource: str) -> str:
    scope = _SCOPES.get(str(parameters.get("Scope")), "*")
    return f"arn:{PARTITION}:wafv2:{region}:{account.id}:{scope}/{resource}"


def _has_managed_rules(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _MANAGED in value or any(_has_managed_rules(item) for item in value.values())
    return isinstance(value, list) and any(_has_managed_rules(item) for item in value)
