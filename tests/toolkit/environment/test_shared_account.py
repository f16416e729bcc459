"""Environments that share an account stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from toolkit.environment import EnvironmentFileError, load, neighbours
from toolkit.project import Project

TEXT = """
target: {target}
name: {name}
region: {region}
account_id: "{account_id}"
models:
  m:
    serving: {{engine: {engine}}}
    source: {{hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218}}
    instance_type: ml.g6.2xlarge
"""
Write = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    return project


@pytest.fixture
def write(project: Project) -> Write:
    """Writes an environment that differs in the given settings."""

    def write(env: str, **settings: str) -> None:
        common = {
            "target": "aws",
            "name": "llm",
            "region": "us-east-1",
            "account_id": "210987654321",
            "engine": "vllm",
        }
        project.environment_file(env).write_text(TEXT.format(**common | settings))

    return write


def neighbour_names(project: Project) -> list[str]:
    return [environment.name for environment in neighbours(project, load(project, "dev"))]


def test_neighbours_have_the_same_state_bucket(project: Project, write: Write) -> None:
    write("dev")
    write("prod")
    write("other-name", name="rag")
    write("elsewhere", account_id="999999999999")
    write("far", region="eu-west-1")
    assert neighbour_names(project) == ["prod"]


def test_files_of_other_accounts_may_be_invalid(project: Project, write: Write) -> None:
    write("dev")
    write("broken", account_id="999999999999", engine="nonsense")
    write("other", name="rag", engine="nonsense")
    project.environment_file("empty").write_text("")
    project.environment_file("torn").write_text("models: [")
    assert neighbour_names(project) == []


def test_an_invalid_neighbour_is_reported(project: Project, write: Write) -> None:
    write("dev")
    write("prod", engine="nonsense")
    with pytest.raises(EnvironmentFileError, match=r"prod\.yaml"):
        neighbour_names(project)
