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
        "a key's ARN looks like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    ),
]
# As botocore's SnsTopicArn.
TopicArn = Annotated[
    str,
    matching(
        r"arn:aws(-[a-z]+)*:sns:[a-z0-9-]+:\d{12}:[\w.-]+",
        "a topic's ARN looks like arn:aws:sns:us-east-1:123456789012:NAME",
    ),
]
S3Prefix = Annotated[
    str,
    matching(
        r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([^\x00]*/)?",
        "an S3 prefix looks like s3://bucket/folder/ and ends in a slash",
    ),
]
SubnetId = Annotated[str, matching(r"subnet-[0-9a-f]{8,17}", "a subnet's id looks like subnet-0a1b2c3d")]
SecurityGroupId = Annotated[
    str, matching(r"sg-[0-9a-f]{8,17}", "a security group's id looks like sg-0a1b2c3d")
]


def region_of(arn: str) -> str:
    """The region in an ARN."""
    return arn.split(":")[3]


def _check_instance_type(value: str) -> Invalid | None:
    known = catalogue.instances()
    if value in known:
        return None
    remedy = did_you_mean(value, known) or "SageMaker's instance types look like ml.g6.2xlarge"
    return Invalid(f"{value!r} is not an instance type of the catalogue", remedy)


InstanceType = Annotated[str, Checked(_check_instance_type, {"enum": list(catalogue.instances())})]
