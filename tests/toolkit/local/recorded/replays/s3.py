"""S3."""

from __future__ import annotations

from tests.toolkit.local.recorded.lab import Lab
from tests.toolkit.local.recorded.replays.base import REPLAYS, Replay, ask


def new_bucket(lab: Lab) -> str:
    name = f"{lab.name()}-bucket"
    lab.client("s3").create_bucket(Bucket=name)
    return name


def unconfigured(method: str) -> Replay:
    def run(lab: Lab) -> str:
        bucket = new_bucket(lab)
        if method == "get_public_access_block":
            # A new bucket has one.
            lab.client("s3").delete_public_access_block(Bucket=bucket)
        if method == "get_bucket_ownership_controls":
            lab.client("s3").delete_bucket_ownership_controls(Bucket=bucket)
        return lab.ask("s3", method, Bucket=bucket)

    return run


def by_default(lab: Lab) -> str:
    bucket, s3 = new_bucket(lab), lab.client("s3")
    try:
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    except s3.exceptions.ClientError as error:
        return str(error)
    is_default = all(block.values()) and rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    return "both configured" if is_default else str((block, rules))


def encryption(lab: Lab) -> str:
    s3 = lab.client("s3")
    try:
        response = s3.get_bucket_encryption(Bucket=new_bucket(lab))
    except s3.exceptions.ClientError as error:
        return str(error)
    (rule,) = response["ServerSideEncryptionConfiguration"]["Rules"]
    return f"200 {rule['ApplyServerSideEncryptionByDefault']['SSEAlgorithm']}"


REPLAYS |= {
    **{
        f"{method}: nothing configured": unconfigured(method)
        for method in (
            *("get_bucket_policy", "get_bucket_lifecycle_configuration", "get_bucket_ownership_controls"),
            *("get_bucket_replication", "get_bucket_website", "get_object_lock_configuration"),
            "get_public_access_block",
        )
    },
    "get_bucket_encryption of a new bucket: SSE-S3 by default (since January 2023)": encryption,
    "new bucket has BlockPublicAccess on and BucketOwnerEnforced by default (since April 2023)": by_default,
    "get_bucket_policy of no bucket": ask("s3", "get_bucket_policy", Bucket="fid-no-such-bucket"),
}
