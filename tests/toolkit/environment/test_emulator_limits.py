"""What is told of settings that protect nothing on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolkit.environment import emulator_limits, load
from toolkit.project import Project

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/a"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("waf: {}", "api.waf: the embedded cloud stores the firewall but does not apply its rules"),
        ("private: {vpc_endpoint_ids: [vpce-0a1b2c3d]}", "api.private: the embedded cloud has no VPC"),
        (f"domain: {{name: a.example, certificate_arn: '{CERTIFICATE}'}}", "with `Host: a.example`"),
        ("access_log: true", ""),
    ],
)
def test_what_protects_nothing_here_is_told(tmp_path: Path, section: str, told: str) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "local.yaml").read_text()
    project.environment_file("local").write_text(f"{text}\napi:\n  {section}\n")
    found = list(emulator_limits.warnings(load(project, "local")))
    assert len(found) == bool(told)
    assert all(told in each for each in found)


def test_on_aws_all_of_it_protects(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    text = (ROOT / "terraform" / "environments" / "dev.yaml").read_text()
    assert "\napi:\n" in text
    project.environment_file("dev").write_text(text.replace("\napi:\n", "\napi:\n  waf: {}\n"))
    assert list(emulator_limits.warnings(load(project, "dev"))) == []
