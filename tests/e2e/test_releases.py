"""Releases are recorded, rolled back to, paused and resumed, in a separate deployment."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkout import copy_checkout
from tests.support.toolkit import Toolkit

pytestmark = pytest.mark.e2e


@pytest.fixture
def toolkit(tmp_path: Path) -> Iterator[Toolkit]:
    """A separate checkout and cloud, because the test changes them."""
    program = Toolkit(copy_checkout(tmp_path / "project"))
    # Releases record the commit.
    _commit(program.project)
    yield program
    program.succeed("local", "down")


def _commit(project: Path) -> None:
    identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
    for command in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message=all"]):
        subprocess.run(["git", *command], cwd=project, check=True)


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


@pytest.mark.timeout(900)
def test_back_to_a_release_paused_and_resumed(toolkit: Toolkit) -> None:
    file = toolkit.project / "terraform" / "environments" / "local.yaml"
    file.write_text(f"{file.read_text()}api: {{access_log: false}}\n")
    toolkit.succeed("apply", "--env", "local", "--smoke-test")
    file.write_text(file.read_text().replace("ctx_size: 4096", "ctx_size: 2048"))
    toolkit.succeed("apply", "--env", "local")
    assert served_context_length(toolkit) == "2048"

    # The policies now forbid an API without an access log, which must not block a rollback. The environment
    # is now protected, which must.
    file.write_text(f"{file.read_text()}protected: true\npolicy: {{fail_at: medium}}\n")
    code = toolkit.project / "terraform" / "modules" / "sagemaker_endpoint" / "main.tf"
    code.write_text(f"{code.read_text()}# Changed.\n")
    refused = toolkit("rollback", "--env", "local")
    assert (refused.returncode, "--allow-destroy local" in refused.stderr) == (2, True), refused.stderr
    assert served_context_length(toolkit) == "2048"
    rolled_back = toolkit("rollback", "--env", "local", "--allow-destroy", "local")
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert "Terraform code differs from release 1" in rolled_back.stderr
    assert served_context_length(toolkit) == "4096"
    recorded = releases(toolkit)
    assert [(release["number"], release["action"]) for release in recorded] == [
        (3, "rollback to 1"),
        (2, "apply"),
        (1, "apply"),
    ]
    assert recorded[2]["smoke_test"] == "passed"
    # Instance counts may differ.
    earlier, later = (release["variables"].partition("instance_counts")[0] for release in recorded[::2])
    assert "smollm2" in later
    assert earlier == later

    toolkit.succeed("pause", "--env", "local", "--allow-destroy", "local")
    cloud = json.loads(toolkit.succeed("local", "status", "--json"))
    assert cloud["endpoints"] == []
    assert [process for process in cloud["processes"] if process["kind"] == "model"] == []
    assert toolkit("pause", "--env", "local").returncode == 2

    toolkit.succeed("resume", "--env", "local")
    assert served_context_length(toolkit) == "4096"
    toolkit.succeed("smoke-test", "--env", "local")
    assert toolkit("rollback", "--env", "local", "--to", "99").returncode == 2
