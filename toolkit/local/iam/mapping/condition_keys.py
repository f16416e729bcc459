"""The values of condition keys.

A key that AWS supports for an action and that is not in these tables is an error, not a missing key:
otherwise a condition on it would hold or fail by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import jmespath

from toolkit.local.iam.callers import Caller
from toolkit.local.iam.exceptions import PolicyError
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check
from toolkit.local.iam.models import Account
from toolkit.local.iam.patterns import Arn
from toolkit.local.iam.principals import PrincipalKind

Values = tuple[str, ...]


@dataclass(frozen=True)
class Situation:
    """One check of a request, with the sources of its condition keys.

    Attributes:
        call: None for a check of a service.
        parameters: of the operation.
    """

    check: Check
    caller: Caller
    account: Account
    call: ApiCall | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def global_keys(caller: Caller, region: str, resource: str, account: Account) -> dict[str, Values]:
    """The condition keys of every request of a caller."""
    principal, now, arn = caller.principal, datetime.now(UTC), Arn.parse(resource)
    keys = {
        "aws:PrincipalType": principal.kind.value,
        "aws:PrincipalIsAWSService": _text(principal.kind is PrincipalKind.SERVICE),
        "aws:ViaAWSService": "false",
        "aws:RequestedRegion": region,
        # The loopback address replaces AWS's endpoints, which clients reach over TLS.
        "aws:SecureTransport": "true",
        "aws:SourceIp": "127.0.0.1",
        "aws:CurrentTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "aws:EpochTime": str(int(now.timestamp())),
        # ARNs of buckets have no account, those of managed policies may have "aws".
        "aws:ResourceAccount": arn.account if arn is not None and arn.account.isdigit() else account.id,
    }
    if principal.account:
        keys |= {"aws:PrincipalAccount": principal.account, "aws:userid": principal.id}
        # For a session it is the role's ARN.
        keys["aws:PrincipalArn"] = principal.role_arn or principal.arn
    if principal.kind is PrincipalKind.USER:
        keys["aws:username"] = principal.name
    if caller.session is not None:
        issued = caller.session.access_key.create_date
        keys |= {
            "aws:TokenIssueTime": issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "aws:MultiFactorAuthPresent": "false",
        }
    return {name: (value,) for name, value in keys.items()}


def find(key: str, situation: Situation) -> Values | None:
    """The values of a key that is not in `always_there`.

    Args:
        key: in lower case.

    Returns:
        None if the request does not have it.

    Raises:
        PolicyError: the key is not supported here.
    """
    action = situation.check.action
    service = key.partition(":")[0]
    is_global = service == "aws" and not key.startswith(_GLOBAL_BUT_BY_ACTION)
    if key in _ABSENT or not (is_global or action.has_key(key)):
        # A key of another service or action.
        return None
    if key in _FUNCTIONS:
        return _FUNCTIONS[key](situation)
    if key in _PARAMETERS:
        return _as_values(jmespath.search(_PARAMETERS[key], dict(situation.parameters)))
    for prefix, look_up in _PREFIXES.items():
        if key.startswith(prefix):
            return look_up(situation, key.removeprefix(prefix))
    if service not in ("aws", action.name.partition(":")[0]):
        # A claim of a token; the caller passes those that exist.
        return None
    raise PolicyError(f"the embedded cloud does not support the condition key {key} of {action.name}")


def _header(situation: Situation, name: str) -> Values | None:
    value = situation.call.header(name) if situation.call is not None else None
    return (value,) if value else None


def _tag(tags: Mapping[str, str], name: str) -> Values | None:
    """The value of a tag, whose name is case-insensitive in condition keys."""
    value = {key.lower(): value for key, value in tags.items()}.get(name)
    return (value,) if value is not None else None


def _request_tags(situation: Situation) -> Mapping[str, str]:
    tags = jmespath.search("Tags || tags || TagList || ResourceTags", dict(situation.parameters)) or {}
    if isinstance(tags, dict):
        return {str(name): str(value) for name, value in tags.items()}
    items = ({name.lower(): value for name, value in item.items()} for item in tags)
    return {str(item["key"]): str(item.get("value", "")) for item in items if "key" in item}


def _object_tags(situation: Situation) -> Mapping[str, str]:
    return dict(parse_qsl(situation.parameters.get("Tagging") or "", keep_blank_values=True))


def _tag_keys(situation: Situation) -> Values | None:
    removed = jmespath.search("TagKeys || tagKeys || ResourceTagKeys", dict(situation.parameters))
    return tuple(removed or _request_tags(situation)) or None


def _boundary(situation: Situation) -> Values | None:
    """The boundary in the request, or else that of the role or user."""
    boundary = situation.parameters.get("PermissionsBoundary")
    if boundary or situation.check.action.name in ("iam:CreateRole", "iam:CreateUser"):
        return _as_values(boundary)
    return _as_values(situation.account.boundary_arn(situation.check.resource))


def _models(situation: Situation) -> Values | None:
    names = jmespath.search("ProductionVariants[].ModelName", dict(situation.parameters)) or []
    prefix = situation.check.resource.rpartition(":")[0]
    return _as_values([f"{prefix}:model/{str(name).lower()}" for name in names])


def _record_names(situation: Situation) -> Values | None:
    """Record names as Route 53 normalizes them: no final dot, octal escapes for special characters."""
    names = jmespath.search("ChangeBatch.Changes[].ResourceRecordSet.Name", dict(situation.parameters)) or []
    escaped = [_UNUSUAL.sub(lambda match: f"\\{ord(match[0]):03o}", str(name).lower()) for name in names]
    return _as_values([name.rstrip(".") for name in escaped])


def _authentication(situation: Situation) -> Values | None:
    presigned = situation.call is not None and situation.call.signature.presigned
    return ("REST-QUERY-STRING" if presigned else "REST-HEADER",)


def _as_values(value: Any) -> Values | None:
    items = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in items if item is not None) or None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# A name may contain octal escapes already.
_UNUSUAL = re.compile(r"(?!\\[0-7]{3})[^a-z0-9_.-]")
_GLOBAL_BUT_BY_ACTION = ("aws:requesttag/", "aws:resourcetag/", "aws:tagkeys")
# Keys that requests to the embedded cloud never have, and those of `always_there` that some callers lack.
_ABSENT = {
    f"aws:{name}"
    for name in (
        "calledvia", "calledviafirst", "calledvialast", "chatbotsourcearn", "ec2instancesourceprivateipv4",
        "ec2instancesourcevpc", "federatedprovider", "multifactorauthage", "multifactorauthpresent",
        "principalaccount", "principalarn", "principalorgid", "principalorgpaths", "principalservicename",
        "principalservicenameslist", "referer", "resourceorgid", "resourceorgpaths", "sourceaccount",
        "sourcearn", "sourceidentity", "sourceorgid", "sourceorgpaths", "sourcevpc", "sourcevpcarn",
        "sourcevpce", "tokenissuetime", "userid", "username", "vpceaccount", "vpceorgid", "vpceorgpaths",
        "vpcsourceip",
    )
} | {
    "iam:associatedresourcearn", "iam:passedtoservice", "iam:roletemplatearn",
    "lambda:eventsourcetoken", "lambda:invokedviafunctionurl",
    "s3:accessgrantsinstancearn", "s3:accesspointnetworkorigin", "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
}  # fmt: skip
# Key → JMESPath of its value in the operation's parameters.
_PARAMETERS: Mapping[str, str] = {
    "application-autoscaling:scalable-dimension": "ScalableDimension",
    "application-autoscaling:service-namespace": "ServiceNamespace",
    "apigateway:request/apiname": "name",
    "cloudwatch:alarmactions": "AlarmActions",
    "cloudwatch:namespace": "Namespace",
    "iam:awsservicename": "AWSServiceName",
    "iam:policyarn": "PolicyArn",
    "lambda:codesigningconfigarn": "CodeSigningConfigArn",
    "lambda:functionurlauthtype": "FunctionUrlAuthType || AuthType",
    "lambda:layer": "Layers",
    "lambda:principal": "Principal",
    "lambda:securitygroupids": "VpcConfig.SecurityGroupIds",
    "lambda:subnetids": "VpcConfig.SubnetIds",
    "route53:changeresourcerecordsetsactions": "ChangeBatch.Changes[].Action",
    "route53:changeresourcerecordsetsrecordtypes": "ChangeBatch.Changes[].ResourceRecordSet.Type",
    "s3:delimiter": "Delimiter",
    "s3:locationconstraint": "CreateBucketConfiguration.LocationConstraint",
    "s3:max-keys": "MaxKeys",
    "s3:prefix": "Prefix",
    "s3:versionid": "VersionId",
    "sagemaker:acceleratortypes": "ProductionVariants[].AcceleratorType",
    "sagemaker:instancetypes": "ProductionVariants[].InstanceType",
    "sagemaker:networkisolation": "EnableNetworkIsolation",
    "sagemaker:serverlessmaxconcurrency": "ProductionVariants[].ServerlessConfig.MaxConcurrency",
    "sagemaker:serverlessmemorysize": "ProductionVariants[].ServerlessConfig.MemorySizeInMB",
    "sagemaker:targetmodel": "TargetModel",
    "sagemaker:volumekmskeyarn": "KmsKeyId",
    "sagemaker:vpcsecuritygroupids": "VpcConfig.SecurityGroupIds",
    "sagemaker:vpcsubnets": "VpcConfig.Subnets",
    "sns:endpoint": "Endpoint",
    "sns:protocol": "Protocol",
    "sts:externalid": "ExternalId",
    "sts:rolesessionname": "RoleSessionName",
}
_FUNCTIONS: Mapping[str, Callable[[Situation], Values | None]] = {
    "aws:tagkeys": _tag_keys,
    "aws:useragent": lambda situation: _header(situation, "user-agent"),
    "iam:permissionsboundary": _boundary,
    "route53:changeresourcerecordsetsnormalizedrecordnames": _record_names,
    "s3:authtype": _authentication,
    "s3:requestobjecttagkeys": lambda situation: tuple(_object_tags(situation)) or None,
    "s3:resourceaccount": lambda situation: (situation.account.id,),
    "s3:signatureversion": lambda _: ("AWS4-HMAC-SHA256",),
    "sagemaker:modelarn": _models,
}
_PREFIXES: Mapping[str, Callable[[Situation, str], Values | None]] = {
    "aws:principaltag/": lambda situation, tag: _tag(situation.caller.tags, tag),
    "aws:requesttag/": lambda situation, tag: _tag(_request_tags(situation), tag),
    **{
        f"{service}:resourcetag/": lambda situation, tag: _tag(
            situation.account.tags.of(situation.check.resource), tag
        )
        for service in ("aws", "ec2", "iam", "sagemaker")
    },
    "s3:requestobjecttag/": lambda situation, tag: _tag(_object_tags(situation), tag),
    # Headers of S3 requests.
    "s3:if-": lambda situation, name: _header(situation, f"if-{name}"),
    "s3:object-lock-": lambda situation, name: _header(situation, f"x-amz-object-lock-{name}"),
    "s3:x-amz-": lambda situation, name: _header(situation, f"x-amz-{name}"),
}


class RequestContext:
    """Implements `toolkit.local.iam.patterns.Context`, and records the requested keys.

    Args:
        situation: the check.
        known_keys: keys with their values.
    """

    def __init__(self, situation: Situation, known_keys: Mapping[str, Values]) -> None:
        self._situation = situation
        initial = {**known_keys, **situation.check.keys}
        self._values: dict[str, Values | None] = {name.lower(): values for name, values in initial.items()}
        self._names = {name.lower(): name for name in initial}

    def values(self, key: str) -> Values | None:
        """The values of a key; None if the request does not have it.

        Raises:
            PolicyError: the key is not supported here.
        """
        lowered = key.lower()
        if lowered not in self._values:
            self._values[lowered] = find(lowered, self._situation)
            self._names[lowered] = key
        return self._values[lowered]

    def record(self) -> dict[str, list[str]]:
        """The known and requested keys with their values."""
        present = {name: values for name, values in sorted(self._values.items()) if values is not None}
        return {self._names[name]: list(values) for name, values in present.items()}
