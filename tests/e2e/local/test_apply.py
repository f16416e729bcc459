"""The output of apply."""

from __future__ import annotations

import json
import subprocess

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


def test_the_smoke_test_prints_one_line_per_step(deployed: Deployed) -> None:
    lines = deployed.toolkit.succeed("smoke-test", "--env", "local").splitlines()
    assert [line.split(" (")[0] for line in lines] == [
        "ok   smollm2: endpoint InService",
        "ok   smollm2: runtime invocation",
        "ok   smollm2: API call",
        "ok   smollm2: streamed API call",
    ]


def test_status_shows_the_endpoint_in_service(deployed: Deployed) -> None:
    status = json.loads(deployed.toolkit.succeed("status", "--env", "local", "--json"))
    (model,) = status["models"]
    assert (model["model"], model["status"], model["as_planned"]) == ("smollm2", "InService", True)


def test_keys_are_in_neither_state_nor_files(deployed: Deployed) -> None:
    project = deployed.toolkit.project
    state = deployed.toolkit.state("inference")
    assert "aws_api_gateway_usage_plan" in state
    assert deployed.api_key not in state
    files_with_key = [
        path
        for path in (project / "build").rglob("*")
        if path.is_file() and deployed.api_key.encode() in path.read_bytes()
    ]
    assert files_with_key == []
