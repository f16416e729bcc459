"""The output of apply."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.support.checkout import clean_environment
from tests.support.toolkit import Deployed

pytestmark = pytest.mark.e2e


def test_the_first_apply_prints_a_working_curl_command(deployed: Deployed) -> None:
    text = deployed.first_apply.stderr
    result = subprocess.run(
        ["bash", "-c", text[text.index("curl ") :]],
        cwd=deployed.toolkit.project,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    response = json.loads(result.stdout)
    assert response["object"] == "chat.completion"
    assert response["choices"][0]["message"]["role"] == "assistant"
    assert response["usage"]["completion_tokens"] > 0


def test_a_second_apply_changes_nothing(deployed: Deployed) -> None:
    second = deployed.toolkit("apply", "--env", "local")
    assert second.returncode == 0, second.stderr
    assert "no changes" in second.stderr.lower()


def test_outputs_have_what_programs_need(deployed: Deployed) -> None:
    outputs = deployed.outputs
    assert outputs["api_base_url"].endswith("/v1")
    assert outputs["api_base_url"].startswith(outputs["aws_endpoint_url"] + "/")
    assert outputs["region"] == "us-east-1"
    assert outputs["models"]["smollm2"]["endpoint_name"] == "llm-local-smollm2"
    assert outputs["models"]["smollm2"]["variant_names"]


def test_each_listed_output_is_printed_by_its_name(deployed: Deployed) -> None:
    entries = dict(
        line.split(": ", 1) for line in deployed.toolkit.succeed("outputs", "--env", "local").splitlines()
    )
    assert entries["models.smollm2"] == "llm-local-smollm2"
    for name in ("models.smollm2", "api_base_url"):
        assert deployed.toolkit.succeed("outputs", name, "--env", "local").strip() == entries[name]
    model = json.loads(deployed.toolkit.succeed("outputs", "models.smollm2", "--env", "local", "--json"))
    assert model == deployed.outputs["models"]["smollm2"]


def test_the_smoke_test_prints_one_line_per_step(deployed: Deployed) -> None:
    lines = deployed.toolkit.succeed("smoke-test", "--env", "local").splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "ok   smollm2: endpoint InService",
        "ok   smollm2: autoscaling",
        "ok   smollm2: rollout alarms",
        "ok   smollm2: runtime invocation",
        "ok   smollm2: runtime streaming",
        "ok   API: authorizer function deployed",
        "ok   API: gateway function deployed",
        "ok   API: API reachable",
        "ok   API: gateway function responds",
        "ok   API: key accepted",
        "ok   API: request without key refused",
        "ok   API: wrong key refused",
        "ok   API: usage plan",
        "ok   smollm2: API call",
        "ok   smollm2: streamed API call",
        "ok   API: unknown model refused",
        "ok   API: invalid JSON refused",
        "ok   API: log",
        "ok   API: metrics",
    ]
    # From the request on: the model takes longer than a millisecond.
    first_tokens = [line.split("the first after ")[1] for line in lines if "the first after " in line]
    assert len(first_tokens) == 2 and "0 ms" not in first_tokens


def test_status_shows_the_endpoint_in_service(deployed: Deployed) -> None:
    status = json.loads(deployed.toolkit.succeed("status", "--env", "local", "--json"))
    (model,) = status["models"]
    assert (model["model"], model["status"], model["as_planned"]) == ("smollm2", "InService", True)


def test_keys_are_in_neither_state_nor_files(deployed: Deployed) -> None:
    project = deployed.toolkit.project
    state = deployed.toolkit.state("inference")
    assert "aws_api_gateway_usage_plan" in state
    assert deployed.api_key not in state
    assert files_with(deployed.api_key, project / "build") == []


def test_the_secret_of_the_cloud_is_in_its_file_only(deployed: Deployed) -> None:
    """Not in plans, variables, backend settings, releases or logs, nor in anything that the cloud stores."""
    toolkit = deployed.toolkit
    toolkit.succeed("plan", "--env", "local")
    secret = toolkit.cloud.root_key[1]
    assert files_with(secret, toolkit.project) == [toolkit.project / "build" / ".cloud" / "credentials"]
    s3, logs = toolkit.client("s3"), toolkit.client("logs")
    for bucket in s3.list_buckets()["Buckets"]:
        for item in s3.list_objects_v2(Bucket=bucket["Name"]).get("Contents", []):
            stored = s3.get_object(Bucket=bucket["Name"], Key=item["Key"])["Body"].read()
            assert secret.encode() not in stored, item["Key"]
    for group in logs.describe_log_groups()["logGroups"]:
        events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        assert secret not in json.dumps(events)
    commands = [" ".join(process.cmdline()) for process in psutil.Process(toolkit.cloud.pid).children(True)]
    assert commands and not [command for command in commands if secret in command]
    environments = [process.environ() for process in psutil.Process(toolkit.cloud.pid).children(True)]
    assert not [environment for environment in environments if secret in environment.values()]


def files_with(text: str, folder: Path) -> list[Path]:
    """The files that contain a text."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if text.encode() in path.read_bytes()]
