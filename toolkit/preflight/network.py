"""Resources outside the environment that its file names: keys, networks, topics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from toolkit.deployment.attestations import KEY_SPEC
from toolkit.deployment.context import Context
from toolkit.preflight.results import Result


def keys(context: Context) -> Iterator[Result]:
    """Whether the KMS keys exist and are enabled, and the signer signs."""
    models = context.environment.models.items()
    signer = context.environment.evidence.kms_key_arn
    named: dict[str, str] = {} if signer is None else {signer: "evidence.kms_key_arn"}
    for name, model in models:
        if model.kms_key_arn:
            named.setdefault(model.kms_key_arn, f"models.{name}.kms_key_arn")
        if model.data_capture is not None and model.data_capture.kms_key_arn:
            named.setdefault(model.data_capture.kms_key_arn, f"models.{name}.data_capture.kms_key_arn")
    for arn, path in named.items():
        try:
            key: Mapping[str, str] = context.access.kms.describe_key(KeyId=arn)["KeyMetadata"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NotFoundException":
                raise
            yield Result("key", "failure", f"{arn} does not exist", f"correct {path}")
            continue
        if key["KeyState"] != "Enabled":
            yield Result("key", "failure", f"{arn} is {key['KeyState']}", f"enable it, or correct {path}")
        elif arn == signer and (key["KeyUsage"], key["KeySpec"]) != ("SIGN_VERIFY", KEY_SPEC):
            detail = f"{arn} is of the type {key['KeySpec']} for {key['KeyUsage']}"
            remedy = f"create one of the type {KEY_SPEC} for SIGN_VERIFY, and correct {path}"
            yield Result("key", "failure", detail, remedy)
        else:
            yield Result("key", "ok", f"{arn} is enabled")


def networks(context: Context) -> Iterator[Result]:
    """Whether subnets and security groups exist, in one VPC."""
    for name, model in context.environment.models.items():
        if model.vpc is None:
            continue
        path, vpcs = f"models.{name}.vpc", set[str]()
        ids = [*model.vpc.subnet_ids, *model.vpc.security_group_ids]
        missing = []
        for one in ids:
            vpc = _vpc(context, one)
            vpcs |= {vpc} if vpc else set()
            missing += [] if vpc else [one]
        if missing:
            verb = "does" if len(missing) == 1 else "do"
            detail = f"{', '.join(missing)} {verb} not exist in {context.environment.region}"
            yield Result("network", "failure", f"{name}: {detail}", f"correct {path}")
        elif len(vpcs) > 1:
            detail = f"{name}: subnets and security groups are in several VPCs: {', '.join(sorted(vpcs))}"
            yield Result("network", "failure", detail, f"correct {path}")
        else:
            yield Result("network", "ok", f"{name}: {', '.join(ids)} exist in {', '.join(vpcs)}")


def _vpc(context: Context, identifier: str) -> str | None:
    """The VPC of a subnet or security group; None if it does not exist."""
    ec2: Any = context.access.ec2
    try:
        if identifier.startswith("subnet-"):
            resources = ec2.describe_subnets(SubnetIds=[identifier])["Subnets"]
        else:
            resources = ec2.describe_security_groups(GroupIds=[identifier])["SecurityGroups"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"):
            return None
        raise
    return str(resources[0]["VpcId"]) if resources else None


def topics(context: Context) -> Iterator[Result]:
    """Whether the SNS topics exist."""
    environment = context.environment
    named = dict.fromkeys(environment.api.alarms.topic_arns, "api.alarms.topic_arns")
    for name, model in environment.models.items():
        if model.asynchronous is not None:
            for key in ("success_topic_arn", "error_topic_arn"):
                arn = getattr(model.asynchronous, key)
                if arn:
                    named.setdefault(arn, f"models.{name}.endpoint.async.{key}")
    if environment.cost.alarms is not None and environment.cost.alarms.topic_arn is not None:
        named.setdefault(environment.cost.alarms.topic_arn, "cost.alarms.topic_arn")
    for arn, path in named.items():
        try:
            context.access.sns.get_topic_attributes(TopicArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NotFound", "NotFoundException"):
                raise
            yield Result("topic", "failure", f"{arn} does not exist", f"create it, or correct {path}")
        else:
            yield Result("topic", "ok", f"{arn} exists")
