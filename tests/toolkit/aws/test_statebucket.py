"""The bucket that must exist before Terraform can own it."""

from __future__ import annotations

import pytest

from toolkit.aws import statebucket
from toolkit.aws.access import AwsAccess

pytestmark = pytest.mark.slow


def test_made_once_and_closed_to_the_public(account: AwsAccess) -> None:
    assert not statebucket.exists(account, "statebucket-made-once")
    assert statebucket.ensure(account, "statebucket-made-once")
    assert not statebucket.ensure(account, "statebucket-made-once")
    block = account.s3.get_public_access_block(Bucket="statebucket-made-once")
    assert all(block["PublicAccessBlockConfiguration"].values())


def test_outside_of_us_east_1_it_lies_in_its_region(account: AwsAccess) -> None:
    abroad = AwsAccess("eu-central-1", account.account_id, endpoint_url=account.endpoint_url)
    assert statebucket.ensure(abroad, "statebucket-abroad")
    location = abroad.s3.get_bucket_location(Bucket="statebucket-abroad")
    assert location["LocationConstraint"] == "eu-central-1"


def test_what_is_not_there_reads_as_nothing(account: AwsAccess) -> None:
    assert statebucket.read(account, "statebucket-nowhere", "key") is None
    statebucket.ensure(account, "statebucket-read")
    assert statebucket.read(account, "statebucket-read", "key") is None
    account.s3.put_object(Bucket="statebucket-read", Key="key", Body=b"content")
    assert statebucket.read(account, "statebucket-read", "key") == b"content"
