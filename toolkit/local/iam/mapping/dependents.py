"""Further actions that a request needs: passing a role, tagging at creation, using other resources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toolkit.local.iam.mapping import arns
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Action, Check, action
from toolkit.local.iam.models import PARTITION, Account
from toolkit.local.service_roles import API_GATEWAY, AUTO_SCALING, ServiceLinkedRole

_ROLE_ARN = re.compile(r"arn:[^:\s\"']+:iam::\d{12}:role/[\w+=,.@/-]+")
# Parameters whose role ARN names a principal, without passing the role.
_NAMES_ONLY = ("Principal", "GranteePrincipal", "RetiringPrincipal", "SourceArn")
_PASSES_NO_ROLES = ("iam", "kms", "s3", "sts", "tag")
# The tagging action of services that require it when a resource is created with tags.
_TAGGING: Mapping[str, str] = {
    "application-autoscaling": "TagResource",
    "budgets": "TagResource",
    "ce": "TagResource",
    "cloudwatch": "TagResource",
    "dynamodb": "TagResource",
    "events": "TagResource",
    "kms": "TagResource",
    "lambda": "TagResource",
    "logs": "TagResource",
    "sagemaker": "AddTags",
    "sns": "TagResource",
    "wafv2": "TagResource",
}
_TAGS = ("Tags", "tags", "ResourceTags")
_CREATES = re.compile(r"(Create|Put|Register)")


def checks(
    call: ApiCall, parameters: Mapping[str, Any], body: bytes, own: Iterable[Check], account: Account
) -> Iterator[Check]:
    """The dependent checks of a request.

    Args:
        own: the checks of the request's action.
    """
    resources = [check.resource for check in own]
    if call.prefix not in _PASSES_NO_ROLES:
        yield from _passed_roles(call, parameters, body, resources)
    yield from _tagging(call, parameters, resources, account)
    special = _SPECIAL.get((call.prefix, call.operation))
    if special is not None:
        yield from special(parameters, call.signature.region, account)


def _passed_roles(
    call: ApiCall, parameters: Mapping[str, Any], body: bytes, resources: list[str]
) -> Iterator[Check]:
    roles = dict.fromkeys(_roles(parameters))
    if call.prefix == "apigateway":
        # Integrations in an OpenAPI document name roles, too.
        roles |= dict.fromkeys(_ROLE_ARN.findall(body.decode("utf-8", "replace")))
    for role in roles:
        keys: dict[str, tuple[str, ...]] = {"iam:PassedToService": (f"{call.prefix}.amazonaws.com",)}
        if resources != ["*"]:
            keys["iam:AssociatedResourceArn"] = tuple(resources)
        yield Check(_known("iam", "PassRole"), role, keys)


def _roles(value: Any, name: str = "") -> Iterator[str]:
    if isinstance(value, str) and _ROLE_ARN.fullmatch(value) and name not in _NAMES_ONLY:
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _roles(item, str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _roles(item, name)


def _tagging(
    call: ApiCall, parameters: Mapping[str, Any], resources: list[str], account: Account
) -> Iterator[Check]:
    if not _CREATES.match(call.operation) or not any(parameters.get(name) for name in _TAGS):
        return
    if call.prefix == "iam":
        tagging = action("iam", call.operation.replace("Create", "Tag"))
    else:
        tagging = action(call.prefix, _TAGGING[call.prefix]) if call.prefix in _TAGGING else None
    if tagging is not None:
        keys = {"sagemaker:TaggingAction": (call.operation,)} if call.prefix == "sagemaker" else {}
        # Log groups have tags, log streams do not.
        resource = re.sub(r":log-stream:.*", "", resources[0])
        if call.prefix == "ce":
            # The creation itself has no resource.
            kind = call.operation.removeprefix("Create").lower()
            resource = f"arn:{PARTITION}:ce::{account.id}:{kind}/*"
        yield Check(tagging, resource, keys)


def _layers(parameters: Mapping[str, Any], _: str, __: Account) -> Iterator[Check]:
    for layer in parameters.get("Layers") or []:
        yield Check(_known("lambda", "GetLayerVersion"), layer)


def _scalable_target(parameters: Mapping[str, Any], region: str, account: Account) -> Iterator[Check]:
    """Application Auto Scaling describes and changes the target with the permissions of its caller."""
    if parameters.get("ServiceNamespace") != "sagemaker":
        return
    endpoint = {"EndpointName": _endpoint(parameters)}
    for name in ("DescribeEndpoint", "UpdateEndpointWeightsAndCapacities"):
        needed = _known("sagemaker", name)
        for resource in arns.of_action(needed, endpoint, region, account):
            yield Check(needed, resource)
    if "RoleARN" not in parameters:
        yield from _service_linked_role(AUTO_SCALING, account)


def _domain_name(_: Mapping[str, Any], __: str, account: Account) -> Iterator[Check]:
    yield from _service_linked_role(API_GATEWAY, account)


def _service_linked_role(role: ServiceLinkedRole, account: Account) -> Iterator[Check]:
    """The account's first use of a service creates its role with the permissions of the caller."""
    arn = f"arn:{PARTITION}:iam::{account.id}:role{role.path}{role.name}"
    if account.role(arn) is None:
        yield Check(_known("iam", "CreateServiceLinkedRole"), arn, {"iam:AWSServiceName": (role.service,)})


def _response_stream(parameters: Mapping[str, Any], region: str, account: Account) -> Iterator[Check]:
    """AWS's API reference names InvokeEndpoint, its authorization reference the operation's own action."""
    needed = _known("sagemaker", "InvokeEndpoint")
    for resource in arns.of_action(needed, parameters, region, account):
        yield Check(needed, resource)


def _alarms(*names: str) -> Any:
    """The alarms of a target-tracking policy are created and deleted with the permissions of the caller."""

    def checks(parameters: Mapping[str, Any], region: str, account: Account) -> Iterator[Check]:
        if parameters.get("PolicyType", "TargetTrackingScaling") != "TargetTrackingScaling":
            return
        alarm = f"TargetTracking-{parameters.get('ResourceId', '*')}-*"
        for name in names:
            resource = f"arn:{PARTITION}:cloudwatch:{region}:{account.id}:alarm:{alarm}"
            yield Check(_known("cloudwatch", name), resource)

    return checks


def _endpoint(parameters: Mapping[str, Any]) -> str:
    """`endpoint/NAME/variant/…` → NAME."""
    _, _, rest = str(parameters.get("ResourceId", "")).partition("/")
    return rest.partition("/")[0] or "*"


def _web_acl(parameters: Mapping[str, Any], _: str, __: Account) -> Iterator[Check]:
    resource = str(parameters.get("ResourceArn", ""))
    if ":apigateway:" in resource:
        yield Check(_known("apigateway", "SetWebACL"), resource)


def _known(prefix: str, name: str) -> Action:
    match = action(prefix, name)
    if match is None:
        raise LookupError(f"the Service Authorization Reference has no {prefix}:{name}")
    return match


_SPECIAL = {
    ("apigateway", "CreateDomainName"): _domain_name,
    ("application-autoscaling", "RegisterScalableTarget"): _scalable_target,
    ("application-autoscaling", "PutScalingPolicy"): _alarms("DescribeAlarms", "PutMetricAlarm"),
    ("application-autoscaling", "DeleteScalingPolicy"): _alarms("DeleteAlarms"),
    ("lambda", "CreateFunction"): _layers,
    ("lambda", "UpdateFunctionConfiguration"): _layers,
    ("sagemaker", "InvokeEndpointWithResponseStream"): _response_stream,
    ("wafv2", "AssociateWebACL"): _web_acl,
    ("wafv2", "DisassociateWebACL"): _web_acl,
}
