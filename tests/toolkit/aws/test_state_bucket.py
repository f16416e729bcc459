"""The bucket that must exist before Terraform can own it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess

pytestmark = pytest.mark.slow


def test_the_bucket_is_created_once_without_public_access(account: AwsAccess) -> None:
    assert not state_bucket.exists(account, "statebucket-made-once")
    assert state_bucket.ensure(account, "statebucket-made-once")
    assert not state_bucket.ensure(account, "statebucket-made-once")
    block = account.s3.get_public_access_block(Bucket="statebucket-made-once")
    assert all(block["PublicAccessBlockConfiguration"].values())


def test_outside_us_east_1_the_bucket_is_in_its_region(account: AwsAccess) -> None:
    access = replace(account, region="eu-central-1")
    assert state_bucket.ensure(access, "statebucket-abroad")
    location = access.s3.get_bucket_location(Bucket="statebucket-abroad")
    assert location["LocationConstraint"] == "eu-central-1"


def test_missing_objects_read_as_none(account: AwsAccess) -> None:
    assert state_bucket.read(account, "statebucket-nowhere", "key") is None
    state_bucket.ensure(account, "statebucket-read")
    assert state_bucket.read(account, "statebucket-read", "key") is None
    account.s3.put_object(Bucket="statebucket-read", Key="key", Body=b"content")
    assert state_bucket.read(account, "statebucket-read", "key") == b"content"
