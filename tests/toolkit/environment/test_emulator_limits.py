"""Warnings about settings that the embedded cloud does not enforce."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, clean_environment
from toolkit.environment import emulator_limits, load
from toolkit.project import Project
from toolkit.serving import catalogue

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/a"
ALARMS = "{emails: [a@example.com], monthly: {amount: 1}}"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/server:1"


@pytest.mark.parametrize(
    ("section", "warning"),
    [
        ("waf: {}", "api.waf: the embedded cloud stores the firewall but does not apply its rules"),
        ("private: {vpc_endpoint_ids: [vpce-0a1b2c3d]}", "api.private: the embedded cloud has no VPC"),
        (f"domain: {{name: a.example, certificate_arn: '{CERTIFICATE}'}}", "with `Host: a.example`"),
        ("guard: {bedrock: {id: a, version: DRAFT}}", "have words and regular expressions only"),
        (
            f"access_log: true\ncost: {{alarms: {ALARMS}}}",
            "cost.alarms: the embedded cloud stores the alarms",
        ),
        ("access_log: true", ""),
    ],
)
def test_settings_that_are_not_enforced_are_reported(tmp_path: Path, section: str, warning: str) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "local.yaml").read_text()
    project.environment_file("local").write_text(f"{text}\napi:\n  {section}\n")
    warnings = list(emulator_limits.warnings(load(project, "local")))
    assert len(warnings) == bool(warning)
    assert all(warning in text for text in warnings)


def test_aws_environments_have_no_warnings(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "dev.yaml").read_text()
    assert "\napi:\n" in text
    project.environment_file("dev").write_text(text.replace("\napi:\n", "\napi:\n  waf: {}\n"))
    assert list(emulator_limits.warnings(load(project, "dev"))) == []


@pytest.fixture
def scheduled(tmp_path: Path) -> Project:
    """A project whose schedule `old` has passed."""
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "local.yaml").read_text()
    lines = [
        "    capacity:",
        "      max: 2",
        "      schedules:",
        '        - {name: old, at: "2024-12-24T18:00:00", timezone: Asia/Shanghai, max: 2}',
        '        - {name: new, at: "2124-12-24T18:00:00", max: 2}',
        '        - {name: daily, cron: "0 8 ? * * *", max: 2}',
    ]
    (line,) = [line for line in text.splitlines() if line.startswith("    instance_type:")]
    project.environment_file("local").write_text(text.replace(line, "\n".join([line, *lines])))
    return project


def test_schedules_in_the_past_are_reported(scheduled: Project) -> None:
    (warning,) = emulator_limits.warnings(load(scheduled, "local"))
    assert "the time of old has passed (2024-12-24T18:00:00); remove it" in warning


def test_a_machine_without_time_zones_is_accepted(scheduled: Project) -> None:
    command = [sys.executable, "-m", "toolkit", "validate", "--env", "local"]
    environment = clean_environment(TOOLKIT_PROJECT=str(scheduled.root), PYTHONTZPATH="")
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ("embeddings: true", 1),
        ("embeddings: true, batch_size: 2048, ubatch_size: 2048", 0),
        ("reranking: true", 1),
        ("parallel: 2", 0),
    ],
)
def test_batches_that_are_too_small_for_embeddings_are_reported(
    tmp_path: Path, options: str, count: int
) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "local.yaml").read_text()
    before = "      options:\n        ctx_size: 4096\n"
    assert text.count(before) == 1
    serving = f"      image: {IMAGE}\n      options: {{{options}}}\n"
    project.environment_file("local").write_text(text.replace(before, serving))
    warnings = list(emulator_limits.warnings(load(project, "local")))
    assert len(warnings) == count
    assert all("set batch_size and ubatch_size" in text for text in warnings)


@pytest.mark.parametrize(
    ("serving", "instance_type", "amis"),
    [
        ("", "ml.g5.xlarge", 4),
        ("", "ml.g6.xlarge", 4),
        ("", "ml.p6-b200.48xlarge", 1),
        ("", "ml.c7i.xlarge", 0),
        (", inference_ami_version: al2-ami-sagemaker-inference-gpu-2", "ml.g5.xlarge", 0),
    ],
)
def test_an_own_server_on_the_default_driver_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serving: str, instance_type: str, amis: int
) -> None:
    monkeypatch.setattr(catalogue, "provider_accepts", lambda *_: True)
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    project.environment_file("own").write_text(f"""
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  m:
    serving: {{engine: custom, image: "{IMAGE}"{serving}}}
    variants:
      v: {{instance_type: {instance_type}}}
""")
    warnings = list(emulator_limits.warnings(load(project, "own")))
    assert len(warnings) == bool(amis)
    for warning in warnings:
        assert warning.startswith("models.m.serving.inference_ami_version: ")
        assert warning.count("al2") == amis
