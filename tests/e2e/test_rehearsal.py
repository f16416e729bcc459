"""A change of an environment for AWS is rehearsed, and rolled back there as it would be on AWS."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import copy_checkout
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e
# Another account than the default of the embedded cloud, with what exists before a deployment.
EXISTING = {
    'account_id: "123456789012"': 'account_id: "210987654321"\n'
    "account: {execution_role: {arn: arn:aws:iam::210987654321:role/existing/models}}",
    "engine: vllm\n": "engine: vllm\n      image: 210987654321.dkr.ecr.us-east-1.amazonaws.com/own:cu130\n",
}


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory: pytest.TempPathFactory) -> Toolkit:
    """A clone whose working tree changes an option of the model."""
    project = copy_checkout(tmp_path_factory.mktemp("rehearsal"))
    file = project / "terraform" / "environments" / "dev.yaml"
    text = file.read_text()
    for old, new in EXISTING.items():
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "base")
    file.write_text(file.read_text().replace("max_model_len: 16384", "max_model_len: 8192"))
    plan = project / "build" / "dev" / "plan"
    plan.parent.mkdir(parents=True)
    plan.write_text("of a user")
    return Toolkit(project)


@pytest.fixture(scope="module")
def rehearsal(toolkit: Toolkit) -> dict[str, Any]:
    """The rehearsal of a change whose engines only fail, with credentials of AWS in the environment."""
    result = toolkit(
        *("rehearse", "--env", "dev", "--json", "--error-percent", "100", "--start-seconds", "30"),
        AWS_ACCESS_KEY_ID="AKIAREAL",
        AWS_SECRET_ACCESS_KEY="real",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
    )
    assert result.returncode == 6, result.stdout + result.stderr
    return dict(json.loads(result.stdout))


def test_a_change_that_fails_has_the_exit_code_of_its_apply(rehearsal: dict[str, Any]) -> None:
    names = [step["name"] for step in rehearsal["steps"]]
    assert names == ["start", "account", "base", "account of the change", "plan", "apply"]
    assert rehearsal["verdict"]["exit_code"] == 6
    assert "rolled back by SageMaker" in rehearsal["verdict"]["error"]
    assert rehearsal["base"]["kind"] == "commit"
    assert rehearsal["change"]["uncommitted"]


def test_the_deployers_policies_allow_the_change(rehearsal: dict[str, Any]) -> None:
    assert rehearsal["account_id"] == "210987654321"
    assert not [denied for denied in rehearsal["denied"] if denied["principal"].endswith("user/deployer")]


def test_the_timeline_shows_both_fleets_and_the_alarm(rehearsal: dict[str, Any]) -> None:
    (timeline,) = rehearsal["timelines"]
    assert any(len(moment["fleets"]) == 2 for moment in timeline["moments"])
    assert any(state["state"] == "ALARM" for state in timeline["alarms"])
    assert rehearsal["rollouts"]


def test_requests_fail_only_during_the_rollout(rehearsal: dict[str, Any]) -> None:
    failed = [request for request in rehearsal["requests"] if request["error"] is not None]
    assert failed
    assert any(request["error"] is None for request in rehearsal["requests"])
    (start, _), *_ = rehearsal["rollouts"]
    assert all(request["start"] + request["seconds"] > start for request in failed)


def test_the_peak_is_the_double_fleet(rehearsal: dict[str, Any]) -> None:
    (instances,) = rehearsal["instances"]
    assert (instances["instance_type"], instances["before"]) == ("ml.g6.2xlarge", 2)
    assert instances["peak"] == 4
    assert instances["dollars_per_hour"] > 0


def test_the_checkout_and_its_plan_stay_as_they_were(toolkit: Toolkit, rehearsal: dict[str, Any]) -> None:
    assert rehearsal
    assert git(toolkit.project, "status", "--porcelain").split() == ["M", "terraform/environments/dev.yaml"]
    build = toolkit.project / "build"
    assert (build / "dev" / "plan").read_text() == "of a user"
    assert not (build / ".cloud").exists()
    assert sorted(path.name for path in (build / "dev").iterdir()) == ["plan", "rehearsal"]
    assert {"account.log", "apply.log", "base.log", "cloud.log", "plan.log"} <= {
        path.name for path in (build / "dev" / "rehearsal").iterdir()
    }
