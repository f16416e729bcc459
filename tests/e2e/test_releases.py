"""Releases are recorded, rolled back to, paused and resumed, in a separate deployment."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import copy_checkout
from tests.support.commands import failures
from tests.support.git import commit_all
from tests.support.toolkit import Toolkit

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]


@dataclass
class Scenario:
    """An environment that was rolled back, paused and resumed, and the results.

    Attributes:
        refused: the rollback without consent, and the context length afterwards.
        rolled_back: the rollback with consent, and the context length afterwards.
        releases: the releases after the rollback, newest first.
        paused: status of the cloud while the environment was paused.
        failed: commands that failed while it was paused.
        unpaused: the output of commands that need not change anything, before and after the pause.
        paused_again: a second pause.
        resumed: the context length after the resume.
    """

    toolkit: Toolkit
    refused: tuple[subprocess.CompletedProcess[str], str]
    rolled_back: tuple[subprocess.CompletedProcess[str], str]
    releases: list[dict[str, Any]]
    paused: dict[str, Any]
    failed: list[str]
    unpaused: list[str]
    paused_again: subprocess.CompletedProcess[str]
    resumed: str


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    """A separate checkout and cloud, because rollbacks and pauses change them."""
    toolkit = Toolkit(copy_checkout(tmp_path_factory.mktemp("releases") / "project"))
    # Releases record the commit.
    commit_all(toolkit.project)
    yield _run(toolkit)
    toolkit.stop_cloud()


def _run(toolkit: Toolkit) -> Scenario:
    file = toolkit.project / "terraform" / "environments" / "local.yaml"
    toolkit.succeed("local", "up")
    key = toolkit.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    signer = f"evidence: {{kms_key_arn: {key['KeyMetadata']['Arn']!r}}}\n"
    file.write_text(f"{file.read_text()}api: {{access_log: false}}\n{signer}")
    toolkit.succeed("apply", "--env", "local", "--smoke-test")
    file.write_text(file.read_text().replace("ctx_size: 4096", "ctx_size: 2048"))
    toolkit.succeed("apply", "--env", "local")
    # The policies now forbid an API without an access log, which must not block a rollback. The environment
    # is now protected, which must.
    file.write_text(f"{file.read_text()}protected: true\npolicy: {{fail_at: medium}}\n")
    code = toolkit.project / "terraform" / "modules" / "sagemaker_endpoint" / "main.tf"
    code.write_text(f"{code.read_text()}# Changed.\n")
    refused = toolkit("rollback", "--env", "local"), served_context_length(toolkit)
    rolled_back = toolkit("rollback", "--env", "local", "--allow-destroy", "local")
    after_rollback, recorded = served_context_length(toolkit), releases(toolkit)
    unpaused = [
        toolkit("resume", "--env", "local", "--if-paused"),
        toolkit("pause", "--env", "local", "--if-idle", "2h"),
    ]
    toolkit.succeed("pause", "--env", "local", "--if-serving", "--allow-destroy", "local")
    paused = json.loads(toolkit.succeed("local", "status", "--json"))
    failed = failures(toolkit, auth="keys", paused=True, protected=True)
    paused_again = toolkit("pause", "--env", "local")
    unpaused.append(toolkit("pause", "--env", "local", "--if-serving"))
    toolkit.succeed("resume", "--env", "local")
    resumed = served_context_length(toolkit)
    assert [run.returncode for run in unpaused] == [0, 0, 0], unpaused
    lines = [run.stderr for run in unpaused]
    return Scenario(
        toolkit,
        refused,
        (rolled_back, after_rollback),
        recorded,
        paused,
        failed,
        lines,
        paused_again,
        resumed,
    )


def served_context_length(toolkit: Toolkit) -> str:
    """The context length of the model that is in service."""
    sagemaker = toolkit.client("sagemaker")
    endpoint = sagemaker.describe_endpoint(EndpointName="llm-local-smollm2")
    assert endpoint["EndpointStatus"] == "InService"
    configuration = sagemaker.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    model = sagemaker.describe_model(ModelName=configuration["ProductionVariants"][0]["ModelName"])
    return str(model["PrimaryContainer"]["Environment"]["SM_LLAMA_CPP_CTX_SIZE"])


def releases(toolkit: Toolkit) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(toolkit.succeed("releases", "--env", "local", "--json"))
    return records


def test_a_protected_environment_needs_consent_for_a_rollback(scenario: Scenario) -> None:
    refused, context_length = scenario.refused
    assert refused.returncode == 2, refused.stderr
    assert "--allow-destroy local" in refused.stderr
    assert context_length == "2048"


def test_a_rollback_restores_the_release_despite_the_policies(scenario: Scenario) -> None:
    rolled_back, context_length = scenario.rolled_back
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert "Terraform code differs from release 1" in rolled_back.stderr
    assert context_length == "4096"


def test_every_apply_is_recorded(scenario: Scenario) -> None:
    actions = [(release["number"], release["action"]) for release in scenario.releases]
    assert actions == [(3, "rollback to 1"), (2, "apply"), (1, "apply")]
    assert scenario.releases[2]["smoke_test"] == "passed"


def test_every_release_has_signed_evidence(scenario: Scenario, tmp_path: Path) -> None:
    toolkit, folder, key = scenario.toolkit, tmp_path / "evidence", tmp_path / "signer.pem"
    key.write_text(toolkit.succeed("releases", "public-key", "--env", "local"))
    toolkit.succeed("releases", "evidence", "1", "--env", "local", "--output", str(folder))
    verified = toolkit.succeed(
        *("releases", "verify", "1", "--env", "local", "--bundle", str(folder), "--key", str(key))
    )
    names = [line.removeprefix("ok   ") for line in verified.splitlines()]
    packages = [name for name in names if name.startswith(("gateway-", "authorizer-"))]
    assert (names[:2], len(packages)) == (["release.intoto.json", "smoke-test.intoto.json"], 2)
    assert set(names[2:]) - set(packages) == {
        "release.json",
        "plan.tfplan",
        "terraform.lock.hcl",
        "environment.yaml",
        "policies.zip",
        "weights/smollm2.json",
    }
    plan = hashlib.sha256((folder / "plan.tfplan").read_bytes()).hexdigest()
    assert json.loads((folder / "release.json").read_bytes())["plan_digest"] == plan
    # The rollback deploys the same weights; the policies did not check it again.
    verified = toolkit.succeed("releases", "verify", "3", "--env", "local")
    assert "ok   weights/smollm2.json" in verified
    assert "policies.zip" not in verified


def test_a_rollback_records_the_variables_of_its_release(scenario: Scenario) -> None:
    # Instance counts may differ.
    last, first = (release["variables"].partition("instance_counts")[0] for release in scenario.releases[::2])
    assert "smollm2" in first
    assert last == first


def test_commands_work_while_paused(scenario: Scenario) -> None:
    assert scenario.failed == []


def test_a_paused_environment_has_no_endpoints(scenario: Scenario) -> None:
    assert scenario.paused["endpoints"] == []
    assert [process for process in scenario.paused["processes"] if process["kind"] == "model"] == []
    assert scenario.paused_again.returncode == 2


def test_a_pause_with_a_condition_succeeds_without_a_change(scenario: Scenario) -> None:
    resumed, idle, paused = scenario.unpaused
    assert "local is not paused" in resumed
    # The rollback has just updated the endpoint.
    assert "local is in use; nothing was changed" in idle
    assert "smollm2: " in idle
    assert "local is already paused" in paused


def test_a_resumed_environment_serves_its_release(scenario: Scenario) -> None:
    assert scenario.resumed == "4096"
    scenario.toolkit.succeed("smoke-test", "--env", "local")


def test_an_unknown_release_is_refused(scenario: Scenario) -> None:
    assert scenario.toolkit("rollback", "--env", "local", "--to", "99").returncode == 2
