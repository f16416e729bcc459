"""What callers of the embedded cloud see when IAM is enforced."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.support.iam import allow

BUCKET = "models"


def test_user_may_do_what_the_policy_says_and_nothing_else(cloud):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    user = cloud.user("reader", allow("s3:GetObject", f"arn:aws:s3:::{BUCKET}/public/*"))
    s3.put_object(Bucket=BUCKET, Key="public/a", Body=b"hello")
    s3.put_object(Bucket=BUCKET, Key="private/a", Body=b"secret")

    as_user = cloud.client("s3", user)

    assert as_user.get_object(Bucket=BUCKET, Key="public/a")["Body"].read() == b"hello"
    with pytest.raises(ClientError) as denial:
        as_user.get_object(Bucket=BUCKET, Key="private/a")
    assert denial.value.response["Error"]["Code"] == "AccessDenied"
    assert denial.value.response["Error"]["Message"] == (
        "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: s3:GetObject on resource: "
        '"arn:aws:s3:::models/private/a" because no identity-based policy allows the s3:GetObject action'
    )
    assert denial.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
