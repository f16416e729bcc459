"""`toolkit cost` of an environment on AWS that is not deployed, or cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cloud import make_checkout
from tests.support.toolkit import Toolkit
from toolkit.aws.access import AwsAccess

# One instance for 1.222 dollars per hour, of 730 in a month.
ENVIRONMENT = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  chat:
    serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, allow_unpinned: true}
    instance_type: ml.g6.2xlarge
"""


@pytest.fixture
def toolkit(tmp_path: Path) -> Toolkit:
    project = make_checkout(tmp_path / "checkout")
    project.environment_file("priced").write_text(ENVIRONMENT)
    return Toolkit(project.root)


def test_without_credentials_the_bounds_remain(toolkit: Toolkit) -> None:
    no_credentials = {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    result = toolkit("cost", "--env", "priced", **no_credentials)
    assert result.returncode == 0, result.stderr
    assert "$892.06" in result.stdout
    assert "Current capacity: unknown: no AWS credentials" in result.stdout


def test_before_the_first_apply_the_bounds_remain(toolkit: Toolkit, account: AwsAccess) -> None:
    key_id, secret = account.root_key
    credentials = {
        "AWS_ENDPOINT_URL": str(account.endpoint_url),
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    result = toolkit("cost", "--env", "priced", **credentials)
    assert result.returncode == 0, result.stderr
    assert "$892.06" in result.stdout
    assert "Current capacity: unknown: environment priced is not deployed" in result.stdout
