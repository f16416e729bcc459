"""The account stack, applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.terraform import Account
from toolkit.errors import TerraformError

pytestmark = pytest.mark.slow


def test_the_state_bucket_is_imported_and_replanning_is_empty(account: Account) -> None:
    assert account.counts.imported == 1
    assert account.counts.remove == 0
    assert account.workspace.outputs() == {
        "execution_role_arn": "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole",
        "execution_role_name": "HuggingfaceExecuteRole",
        "model_store_bucket": "example-models",
        "state_bucket": "example-state",
        "policy_arns": {},
        "ci_role_arns": {},
    }
    assert account.workspace.plan().changes == ()


@pytest.mark.parametrize("bucket", ["example-state", "example-models"])
def test_buckets_are_versioned_encrypted_and_private(account: Account, bucket: str) -> None:
    s3 = account.cloud.client("s3")
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_resources_are_tagged(account: Account) -> None:
    def tags(response: dict[str, Any]) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in response.get("TagSet", response.get("Tags"))}

    expected = {"team": "platform", "managed-by": "terraform", "stack": "account", "project": "example"}
    s3, iam = account.cloud.client("s3"), account.cloud.client("iam")
    assert tags(s3.get_bucket_tagging(Bucket="example-state")) == expected
    assert tags(s3.get_bucket_tagging(Bucket="example-models")) == expected
    assert tags(iam.list_role_tags(RoleName="HuggingfaceExecuteRole")) == expected


def test_the_state_bucket_cannot_be_destroyed(account: Account) -> None:
    with pytest.raises(TerraformError, match=r"aws_s3_bucket\.state has lifecycle\.prevent_destroy"):
        account.workspace.plan(destroy=True)


def test_init_does_not_change_the_lock_files(account: Account, checkout: Path) -> None:
    """Terraform adds hashes for a platform that is missing."""
    for stack in ("account", "inference"):
        lock = (checkout / "terraform" / "stacks" / stack / ".terraform.lock.hcl").read_text()
        # The registry publishes two hashes for each platform's archive.
        assert lock.count('"zh:') == 15 and lock.count('"h1:') == 14
        assert (account.workspace.stack.parent / stack / ".terraform.lock.hcl").read_text() == lock
