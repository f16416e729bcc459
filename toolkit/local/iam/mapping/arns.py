"""The ARNs of the resources that an operation is about, from its parameters.

The reference says how ARNs of a resource type look; parameters mostly have the names of the variables in
there. The tables below hold what differs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jmespath

from toolkit.local.iam.mapping.reference import Action, ResourceType
from toolkit.local.iam.models import PARTITION, Account

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ROLE_VARIABLE = re.compile(r"(Role|User|Group|InstanceProfile|Policy)NameWithPath")

# (service, variable of an ARN) → where its value is among the parameters, in JMESPath.
_PARAMETERS: Mapping[tuple[str, str], str] = {
    # A scalable target's id is AWS's own; the parameter of that name is something else.
    ("application-autoscaling", "ResourceId"): "null",
    ("cloudwatch", "AlarmName"): "AlarmName || AlarmNames",
    ("cloudwatch", "DashboardName"): "DashboardName || DashboardNames",
    ("ecr", "RepositoryName"): "repositoryName || repositoryNames",
    ("events", "RuleName"): "Name || Rule",
    ("kms", "Alias"): "AliasName",
    ("kms", "KeyId"): "KeyId || TargetKeyId",
    ("lambda", "LayerVersion"): "VersionNumber",
    ("lambda", "Alias"): "Qualifier || Name",
    ("lambda", "Version"): "Qualifier",
    ("logs", "LogGroupName"): "logGroupName || logGroupIdentifier || logGroupIdentifiers || logGroupNames",
    # A hosted zone in some operations, a change in one.
    ("route53", "Id"): "HostedZoneId || Id",
    ("sns", "TopicName"): "Name",
}
_TAGGING = ("TagResource", "UntagResource", "ListTagsForResource")


def of_action(action: Action, parameters: Mapping[str, Any], region: str, account: Account) -> list[str]:
    """The resources that an action of an operation is about.

    Args:
        action: from the reference.
        parameters: of the operation, under their names in the API.
        region: that the request is for.

    Returns:
        At least one. What the parameters do not name is `*` in an ARN, which only patterns with a wildcard
        there cover; an action without resources has `*` alone.
    """
    prefix = action.name.partition(":")[0]
    found: list[str] = []
    for kind in action.resource_types:
        target = account.scalable_target(region, parameters) if kind.name == "ScalableTarget" else None
        arns = (
            [target]
            if target
            else list(_given(kind, parameters)) or list(_filled(prefix, kind, parameters, region, account))
        )
        found += [_as_evaluated(prefix, action, kind, arn, parameters) for arn in arns]
    return list(dict.fromkeys(found)) or ["*"]


def _given(kind: ResourceType, parameters: Mapping[str, Any]) -> Iterator[str]:
    """ARNs of this type among the parameters themselves."""
    pattern = _pattern(kind.arn)
    for value in parameters.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str) and pattern.fullmatch(item):
                yield item


@cache
def _pattern(template: str) -> re.Pattern[str]:
    pieces = _VARIABLE.split(template)
    scope = {"Partition": "[^:]+", "Region": "[^:]*", "Account": "[^:]*"}
    pattern = "".join(
        scope.get(piece, ".+") if is_variable else re.escape(piece)
        for piece, is_variable in zip(pieces, itertools.cycle([False, True]), strict=False)
    )
    return re.compile(pattern)


def _filled(
    prefix: str, kind: ResourceType, parameters: Mapping[str, Any], region: str, account: Account
) -> Iterator[str]:
    names = [name for name in _VARIABLE.findall(kind.arn) if name not in ("Partition", "Region", "Account")]
    values = {name: _values(prefix, name, parameters, account) for name in names}
    if not all(values.values()) and not kind.required:
        return
    for combination in itertools.product(*(values[name] or ["*"] for name in names)):
        filling = dict(zip(names, combination, strict=True))
        filling |= {"Partition": PARTITION, "Region": region, "Account": account.id}
        yield _VARIABLE.sub(lambda match, filling=filling: filling[match[1]], kind.arn)  # type: ignore[misc]


def _values(prefix: str, variable: str, parameters: Mapping[str, Any], account: Account) -> list[str]:
    if (prefix, variable) in _PARAMETERS:
        found = jmespath.search(_PARAMETERS[prefix, variable], parameters)
    elif prefix in ("iam", "sts"):
        found = _iam_name(variable, parameters, account)
    else:
        found = next((value for name, value in parameters.items() if name.lower() == variable.lower()), None)
    items = found if isinstance(found, list) else [found]
    return [str(item) for item in items if isinstance(item, str | int) and item != ""]


def _iam_name(variable: str, parameters: Mapping[str, Any], account: Account) -> str | None:
    """Names in IAM's ARNs have a path before them, which most operations do not say."""
    if variable == "OidcProviderName" and "Url" in parameters:
        return str(parameters["Url"]).partition("://")[2]
    if "AWSServiceName" in parameters:
        return f"aws-service-role/{parameters['AWSServiceName']}/*"
    match = _ROLE_VARIABLE.fullmatch(variable)
    name = parameters.get(f"{match[1]}Name") if match else None
    if match is None or name is None:
        return None
    if "Path" in parameters or match[1] == "Policy":
        return f"{parameters.get('Path', '/')}{name}".lstrip("/")
    return account.path_and_name(match[1], name)


def _as_evaluated(
    prefix: str, action: Action, kind: ResourceType, arn: str, parameters: Mapping[str, Any]
) -> str:
    """The ARN as the service puts it before IAM, where that differs from the reference."""
    head, _, name = arn.rpartition("/")
    if prefix == "sagemaker":
        # Names may have capitals, ARNs have none.
        return f"{head}/{name.lower()}"
    if prefix == "lambda" and kind.name.startswith("function"):
        return _function_arn(arn, parameters.get("Qualifier"))
    if prefix == "logs" and kind.name == "log-group" and not action.name.endswith(_TAGGING):
        # "log-group:NAME:*" is what covers a group in policies, so what is asked for goes on after the name.
        return f"{arn.removesuffix(':*')}:log-stream:{parameters.get('logStreamName', '')}"
    if prefix == "kms":
        return arn.replace("alias/alias/", "alias/")
    return arn


def _function_arn(arn: str, qualifier: str | None) -> str:
    """Functions are also named `ACCOUNT:function:NAME`, `NAME:QUALIFIER` or by parts of both."""
    head, _, name = arn.partition(":function:")
    name = name.rpartition("function:")[2]
    if qualifier and ":" not in name:
        name = f"{name}:{qualifier}"
    return f"{head}:function:{name}"
