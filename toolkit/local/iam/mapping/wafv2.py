"""AWS WAF: web ACLs by scope, name and id, what they protect, and the managed rules in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.wafv2.models import wafv2_backends

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check, action
from toolkit.local.iam.models import PARTITION, Account

# In ARNs they are called otherwise than in parameters.
_SCOPES = {"REGIONAL": "regional", "CLOUDFRONT": "global"}
_ARN_PARAMETERS = ("WebACLArn", "ResourceARN", "ARN")
# As the reference calls what a web ACL protects here.
_STAGE = "apigateway"
_MANAGED = "ManagedRuleGroupStatement"


def checks(call: ApiCall, parameters: Mapping[str, Any], account: Account) -> Iterator[Check]:
    """What an operation on web ACLs needs.

    Raises:
        UnmappedRequestError: it is an operation on something else.
    """
    found = action("wafv2", call.operation)
    kinds = {kind.name for kind in found.resource_types} if found is not None else set()
    if found is None or (kinds and not kinds & {"webacl", _STAGE}):
        raise UnmappedRequestError(f"{call.operation} of AWS WAF is not supported here")
    if not kinds:
        yield Check(found, "*")
    region = call.credentials.region
    if "webacl" in kinds:
        for web_acl in _web_acls(parameters, region, account):
            yield Check(found, web_acl)
    if _STAGE in kinds:
        yield Check(found, str(parameters["ResourceArn"]))
    if _has_managed_rules(parameters.get("Rules")):
        # AWS asks for all of them, whichever are used, in the caller's account.
        yield Check(found, _arn(region, account, parameters, "managedruleset/*/*"))


def _web_acls(parameters: Mapping[str, Any], region: str, account: Account) -> Iterator[str]:
    named = next((parameters[name] for name in _ARN_PARAMETERS if name in parameters), None)
    if named is not None:
        yield str(named)
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
