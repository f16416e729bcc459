"""Resource ARNs of an operation, from its parameters.

The reference has ARN templates, whose variables mostly have the names of parameters. The tables hold
exceptions.
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

# (service, variable of an ARN) → JMESPath of its value in the parameters.
_PARAMETERS: Mapping[tuple[str, str], str] = {
    # AWS assigns the id of a scalable target; the parameter ResourceId is something else.
    ("application-autoscaling", "ResourceId"): "null",
    ("bedrock", "GuardrailId"): "guardrailIdentifier",
    ("budgets", "BudgetName"): "BudgetName || Budget.BudgetName || NewBudget.BudgetName",
    ("cloudwatch", "AlarmName"): "AlarmName || AlarmNames",
    ("cloudwatch", "DashboardName"): "DashboardName || DashboardNames",
    ("dynamodb", "TableName"): "TableName || keys(RequestItems || `{}`)",
    ("ecr", "RepositoryName"): "repositoryName || repositoryNames",
    ("events", "RuleName"): "Name || Rule",
    ("kms", "Alias"): "AliasName",
    ("kms", "KeyId"): "KeyId || TargetKeyId",
    ("lambda", "LayerVersion"): "VersionNumber",
    ("lambda", "Alias"): "Qualifier || Name",
    ("lambda", "Version"): "Qualifier",
    ("logs", "LogGroupName"): "logGroupName || logGroupIdentifier || logGroupIdentifiers || logGroupNames",
    # The id of a hosted zone, or of a change.
    ("route53", "Id"): "HostedZoneId || Id",
    ("sns", "TopicName"): "Name",
}
_TAGGING = ("TagResource", "UntagResource", "ListTagsForResource")


def of_action(action: Action, parameters: Mapping[str, Any], region: str, account: Account) -> list[str]:
    """The resources of an action of an operation.

    Args:
        action: from the reference.
        parameters: of the operation.
        region: of the request.

    Returns:
        At least one ARN, with `*` for unknown parts, which only wildcards match. `*` for an action without
        resources.
    """
    prefix = action.name.partition(":")[0]
    if action.name == "iam:SimulatePrincipalPolicy":
        # The resources of the simulated requests are not accessed.
        parameters = {"PolicySourceArn": parameters["PolicySourceArn"]}
    resources: list[str] = []
    for kind in _kinds(prefix, action, parameters):
        target = account.scalable_target(region, parameters) if kind.name == "ScalableTarget" else None
        arns = (
            [target]
            if target
            else list(_given(kind, parameters)) or list(_filled(prefix, kind, parameters, region, account))
        )
        resources += [_as_evaluated(prefix, action, kind, arn, parameters) for arn in arns]
    return list(dict.fromkeys(resources)) or ["*"]


def _kinds(prefix: str, action: Action, parameters: Mapping[str, Any]) -> list[ResourceType]:
    """The resource types of a request; DynamoDB's tags are those of a table or of a stream."""
    kinds = list(action.resource_types)
    matching = [kind for kind in kinds if prefix == "dynamodb" and any(_given(kind, parameters))]
    return matching or kinds


def _given(kind: ResourceType, parameters: Mapping[str, Any]) -> Iterator[str]:
    """ARNs of this type among the parameters."""
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
        # A registry of ECR can belong to another account.
        owner = str(parameters.get("registryId", account.id)) if prefix == "ecr" else account.id
        filling |= {"Partition": PARTITION, "Region": region, "Account": owner}
        yield _VARIABLE.sub(lambda match, filling=filling: filling[match[1]], kind.arn)  # type: ignore[misc]


def _values(prefix: str, variable: str, parameters: Mapping[str, Any], account: Account) -> list[str]:
    if (prefix, variable) in _PARAMETERS:
        value = jmespath.search(_PARAMETERS[prefix, variable], parameters)
    elif prefix in ("iam", "sts"):
        value = _iam_name(variable, parameters, account)
    else:
        value = next((text for name, text in parameters.items() if name.lower() == variable.lower()), None)
    items = value if isinstance(value, list) else [value]
    return [str(item) for item in items if isinstance(item, str | int) and item != ""]


def _iam_name(variable: str, parameters: Mapping[str, Any], account: Account) -> str | None:
    """A name in an IAM ARN, with its path, which most operations omit."""
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
    """The ARN as the service passes it to IAM, where that differs from the reference."""
    head, _, name = arn.rpartition("/")
    if prefix == "sagemaker":
        # ARNs are lower case, unlike names.
        return f"{head}/{name.lower()}"
    if prefix == "lambda" and kind.name.startswith("function"):
        return _function_arn(arn, parameters.get("Qualifier"))
    if prefix == "logs" and kind.name == "log-group" and not action.name.endswith(_TAGGING):
        # Policies name a log group as "log-group:NAME:*", so the resource continues after the name.
        return f"{arn.removesuffix(':*')}:log-stream:{parameters.get('logStreamName', '')}"
    if prefix == "kms":
        return arn.replace("alias/alias/", "alias/")
    return arn


def _function_arn(arn: str, qualifier: str | None) -> str:
    """Normalize a function's name, which may be `ACCOUNT:function:NAME`, `NAME:QUALIFIER` or a mix."""
    head, _, name = arn.partition(":function:")
    name = name.rpartition("function:")[2]
    if qualifier and ":" not in name:
        name = f"{name}:{qualifier}"
    return f"{head}:function:{name}"
