"""`toolkit preflight` on AWS, as a user runs it; the account is the embedded cloud's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.cloud import make_checkout
from tests.support.toolkit import Toolkit
from toolkit.aws.access import AwsAccess

pytestmark = pytest.mark.slow

# Nothing is deployed in this region.
ENVIRONMENT = """\
target: aws
name: empty
region: ap-south-1
account_id: "123456789012"
models:
  chat:
    serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218, staged: true}
    instance_type: ml.g6.2xlarge
"""


@pytest.fixture
def toolkit(tmp_path: Path) -> Toolkit:
    project = make_checkout(tmp_path / "checkout")
    (project.root / "policies").symlink_to(ROOT / "policies")
    project.environment_file("prod").write_text(ENVIRONMENT)
    return Toolkit(project.root)


@pytest.fixture
def credentials(account: AwsAccess) -> dict[str, str]:
    """The variables of a user of AWS."""
    key_id, secret = account.root_key
    return {
        "AWS_ENDPOINT_URL": str(account.endpoint_url),
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_an_account_that_is_not_ready_exits_4(toolkit: Toolkit, credentials: dict[str, str]) -> None:
    result = toolkit("preflight", "--env", "prod", **credentials)
    assert result.returncode == 4, result.stderr
    lines = result.stdout.splitlines()
    assert "ok   account         123456789012 as root" in lines
    assert any(line.startswith("FAIL state ") for line in lines)
    assert any(line.endswith("run `toolkit model stage --env prod chat`") for line in lines)
    assert "error: cannot deploy prod: " in result.stderr
    assert "Traceback" not in result.stderr


def test_results_for_programs_and_for_pull_requests(toolkit: Toolkit, credentials: dict[str, str]) -> None:
    report = json.loads(toolkit("preflight", "--env", "prod", "--json", **credentials).stdout)
    assert (report["environment"], report["ready"]) == ("prod", False)
    failed = {check["check"]: check["remedy"] for check in report["checks"] if check["status"] == "failure"}
    assert {"state", "weights", "log role"} <= failed.keys()
    assert all(failed.values())
    comment = toolkit("preflight", "--env", "prod", "--markdown", **credentials).stdout
    assert comment.startswith("### Preflight of prod: ")
    assert all(f"| FAIL | {check} |" in comment for check in failed)
    assert "| ok |" not in comment


def test_wrong_or_missing_credentials(toolkit: Toolkit, credentials: dict[str, str]) -> None:
    wrong = {**credentials, "AWS_SECRET_ACCESS_KEY": "wrong"}
    missing = {name: value for name, value in credentials.items() if "KEY" not in name}
    for variables in (wrong, {**missing, "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}):
        result = toolkit("preflight", "--env", "prod", **variables)
        assert result.returncode == 4, result.stdout
        assert "account" in result.stdout.splitlines()[0]
        assert "Traceback" not in result.stderr


def test_a_local_environment_needs_the_embedded_cloud(toolkit: Toolkit) -> None:
    file = toolkit.project / "terraform" / "environments" / "prod.yaml"
    source = "source: {server: 'http://127.0.0.1:11434/v1'} #"
    file.write_text(ENVIRONMENT.replace("target: aws", "target: local").replace("source:", source))
    result = toolkit("preflight", "--env", "prod")
    assert result.returncode == 4
    assert "the embedded cloud is not running" in result.stderr
