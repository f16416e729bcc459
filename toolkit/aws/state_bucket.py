"""The bucket that Terraform's state lives in, which must exist before Terraform can be asked to own it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CreateBucketRequestTypeDef


def exists(access: AwsAccess, bucket: str) -> bool:
    """Whether the bucket is there and ours.

    Raises:
        botocore.exceptions.ClientError: it belongs to another account, or may not be looked at.
    """
    try:
        access.s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=access.account_id)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return True


def read(access: AwsAccess, bucket: str, key: str) -> bytes | None:
    """An object of the bucket; None if there is none, or no bucket.

    Raises:
        botocore.exceptions.ClientError: it may not be read.
    """
    try:
        found = access.s3.get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=access.account_id)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket"):
            return None
        raise
    return found["Body"].read()


def write(access: AwsAccess, bucket: str, key: str, content: bytes) -> None:
    """Write a state as Terraform does; for whoever holds its lock."""
    access.s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=content,
        ContentType="application/json",
        ServerSideEncryption="AES256",
        ExpectedBucketOwner=access.account_id,
    )


def ensure(access: AwsAccess, bucket: str) -> bool:
    """Create the bucket closed to the public if it is missing; returns whether it was created.

    `stacks/account` adopts it afterwards and owns its encryption, versioning and policy.
    """
    if exists(access, bucket):
        return False
    request: CreateBucketRequestTypeDef = {"Bucket": bucket, "ObjectOwnership": "BucketOwnerEnforced"}
    if access.region != "us-east-1":  # the one region that S3 refuses to be told
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
