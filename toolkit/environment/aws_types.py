"""ARNs, ids and names that AWS assigns: types that check their form."""

from __future__ import annotations

from typing import Annotated

from toolkit.environment.base import Checked, Invalid, matching
from toolkit.environment.problems import did_you_mean
from toolkit.serving import catalogue

KmsKeyArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:\d{12}:(key|alias)/[\w/-]+",
        "use a key ARN such as arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
# Not an alias: policies name keys.
SigningKeyArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+",
        "use a key ARN such as arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
# As SnsTopicArn in botocore.
TopicArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[\w.-]+",
        "use a topic ARN such as arn:aws:sns:us-east-1:123456789012:NAME",
    ),
]
S3Prefix = Annotated[
    str,
    matching(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^\x00]*/)?",
        "use an S3 prefix such as s3://bucket/folder/, with a slash at the end",
    ),
]
S3Weights = Annotated[
    str,
    matching(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^\x00]*/|[^\x00]+\.tar\.gz)?",
        "use an S3 prefix such as s3://bucket/folder/, with a slash at the end, or an archive .tar.gz",
    ),
]
SubnetId = Annotated[str, matching(r"subnet-[0-9a-f]{8,17}", "use a subnet id such as subnet-0a1b2c3d")]
SecurityGroupId = Annotated[
    str, matching(r"sg-[0-9a-f]{8,17}", "use a security group id such as sg-0a1b2c3d")
]


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


def _check_instance_type(value: str) -> Invalid | None:
    instance_types = catalogue.instances()
    if value in instance_types:
        return None
    remedy = did_you_mean(value, instance_types) or "use a SageMaker instance type such as ml.g6.2xlarge"
    return Invalid(f"{value!r} is not an instance type in the catalogue", remedy)


InstanceType = Annotated[str, Checked(_check_instance_type, {"enum": list(catalogue.instances())})]
