"""Benchmarks of deployed models, with the program that users run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.api.conftest import Api
from tests.support.interrupts import interrupted, start_toolkit
from tests.support.patience import wait_for

pytestmark = pytest.mark.e2e

SHORT = ("bench", "--env", "clients", "--input-tokens", "60", "--output-tokens", "6")


def test_a_model_at_the_api_and_at_the_runtime(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    options = ("--concurrency", "2", "--requests", "4", "--target", "both", "--json", "--output", str(file))
    result = api.toolkit(*SHORT, "--model", "smollm2", *options)
    assert result.returncode == 0, result.stderr
    assert "smollm2 gets at most 12 requests at the API and the SageMaker runtime" in result.stderr
    assert "720 input and 72 output tokens" in result.stderr
    document = json.loads(result.stdout)
    assert [stage["target"] for stage in document["stages"]] == ["api", "runtime"]
    for stage in document["stages"]:
        assert (stage["requests"], stage["errors"], stage["stopped"]) == (4, {}, None)
        # The engine counts them: the prompts have this number of tokens.
        assert abs(stage["input_tokens"]["mean"] - 60) <= 4
        assert stage["output_tokens"]["minimum"] == stage["output_tokens"]["maximum"] == 6
        assert stage["time_to_first_token"]["p50"] < stage["end_to_end_latency"]["p50"]
    measured, without_gateway = document["stages"]
    assert set(measured["server"]) == {"gateway", "model"}
    assert measured["server"]["model"]["p50"] < measured["time_to_first_token"]["p50"]
    assert without_gateway["server"] == {}
    assert document["generator"]["requests_per_second"] > 0
    assert document["subject"]["instances"] == 1
    assert api.key not in result.stdout + result.stderr + file.read_text()
    assert [len(stage["requests"]) for stage in json.loads(file.read_text())["stages"]] == [4, 4]


def test_an_open_loop_over_a_data_set(api: Api, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "one two"}\n{"messages": [{"role": "user", "content": "three four five"}]}\n')
    output = tmp_path / "result.json"
    options = ("--rate", "50", "--requests", "6", "--dataset", str(file), "--output", str(output))
    result = api.toolkit("bench", "--env", "clients", "--model", "echo", *options)
    assert result.returncode == 0, result.stderr
    # Another file of this name would be another workload.
    workload = json.loads(output.read_text())["workload"]
    assert workload["dataset"] == "prompts.jsonl"
    assert re.fullmatch("sha256:[0-9a-f]{16}", workload["dataset_digest"])
    row = next(line for line in result.stdout.splitlines() if line.startswith("api"))
    assert row.split()[1:5] == ["50", "requests/s", "6", "0"]


def test_ctrl_c_keeps_the_measurements(api: Api, tmp_path: Path) -> None:
    prompts, file, output = tmp_path / "prompts.jsonl", tmp_path / "result.json", tmp_path / "output"
    prompts.write_text('{"prompt": "one two three"}\n')
    before = len(api.engine.requests)
    options = ("--model", "echo", "--dataset", str(prompts), "--concurrency", "1,2", "--duration", "1h")
    with output.open("w") as stream:
        process = start_toolkit(
            *("bench", "--env", "clients", *options, "--output", str(file)),
            cwd=api.toolkit.project,
            output=stream,
        )
        wait_for(lambda: len(api.engine.requests) > before + 8 or process.poll() is not None)
        assert interrupted(process) == 130, output.read_text()
    (stage,) = json.loads(file.read_text())["stages"]
    assert stage["stopped"] == "interrupted"
    assert len(stage["requests"]) >= 3
    assert all("error" not in request for request in stage["requests"])
    assert "stopped early: interrupted" in output.read_text()


def test_a_result_is_kept_if_its_file_cannot_be_written(api: Api, tmp_path: Path) -> None:
    prompts, page = tmp_path / "prompts.jsonl", tmp_path / "page.html"
    prompts.write_text('{"prompt": "one two three"}\n')
    options = ("--model", "echo", "--dataset", str(prompts), "--concurrency", "1", "--requests", "2")
    full = "/dev/full"
    result = api.toolkit("bench", "--env", "clients", *options, "--output", full, "--html", str(page))
    assert result.returncode == 4, result.stderr
    assert full in result.stderr
    assert "1 client" in result.stdout
    assert "stored as" in result.stderr
    assert "Benchmark of echo" in page.read_text()


@pytest.mark.parametrize(
    ("model", "code", "reason"),
    [
        ("broken", 4, "cannot measure broken at the API: HTTP 502 model_error"),
        ("gone", 4, "endpoint llm-clients-gone does not exist"),
        ("vectors", 2, "it creates embeddings, not text"),
        ("nobody", 2, "has no model of this name"),
    ],
)
def test_models_that_cannot_be_measured(api: Api, model: str, code: int, reason: str) -> None:
    result = api.toolkit(*SHORT, "--model", model, "--concurrency", "1")
    assert result.returncode == code, result.stderr
    assert reason in result.stderr
    assert "→" in result.stderr


def test_refused_requests_are_errors_by_status(api: Api) -> None:
    def refuse(handler: Any, _: dict[str, Any]) -> None:
        """As an engine without capacity."""
        handler.send_response(429)
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    before, count = api.engine.behaviour, len(api.engine.requests)

    def behave(handler: Any, request: dict[str, Any]) -> None:
        # The first one is not measured.
        (before if len(api.engine.requests) <= count + 1 else refuse)(handler, request)

    api.engine.behaviour = behave
    try:
        prompts = api.toolkit.project / "prompts.jsonl"
        prompts.write_text('{"prompt": "one"}\n')
        options = ("--dataset", str(prompts), "--concurrency", "1", "--requests", "3", "--warmup", "0")
        result = api.toolkit("bench", "--env", "clients", "--model", "echo", *options, "--json")
    finally:
        api.engine.behaviour = before
    assert result.returncode == 0, result.stderr
    (stage,) = json.loads(result.stdout)["stages"]
    assert stage["errors"] == {"HTTP 429 rate_limit_exceeded": 3}
