"""The bucket of Terraform's state, created before Terraform manages it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from toolkit.aws import bodies
from toolkit.aws.access import AwsAccess

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CreateBucketRequestTypeDef


def exists(access: AwsAccess, bucket: str) -> bool:
    """Whether the bucket exists in the account.

    Raises:
        botocore.exceptions.ClientError: it belongs to another account, or access is denied.
    """
    try:
        access.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=access.account_id)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def read(access: AwsAccess, bucket: str, key: str) -> bytes | None:
    """Read an object; None if it or the bucket does not exist. It is truncated at `documents.MAX_BYTES`.

    Raises:
        botocore.exceptions.ClientError: access is denied.
    """
    get_object = access.s3.get_object
    try:
        return bodies.read(lambda: get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=access.account_id))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise


def write(access: AwsAccess, bucket: str, key: str, content: bytes) -> None:
    """Write a state as Terraform does; the caller must hold its lock."""
    access.s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=content,
        ContentType="application/json",
        ServerSideEncryption="AES256",
        ExpectedBucketOwner=access.account_id,
    )


def ensure(access: AwsAccess, bucket: str) -> bool:
    """Create the bucket without public access if it is missing; returns whether it was created.

    `stacks/account` then imports it and manages its encryption, versioning and policy.
    """
    if exists(access, bucket):
        return False
    request: CreateBucketRequestTypeDef = {"Bucket": bucket, "ObjectOwnership": "BucketOwnerEnforced"}
    if access.region != "us-east-1":  # S3 rejects this region as a constraint
        request["CreateBucketConfiguration"] = {"LocationConstraint": access.region}  # type: ignore[typeddict-item]
    access.s3.create_bucket(**request)
    access.s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    return True
