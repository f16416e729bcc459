"""Which environments share an account stack."""

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
    """Writes an environment that is like all others but for what is said."""

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


def found(project: Project) -> list[str]:
    return [each.name for each in neighbours(project, load(project, "dev"))]


def test_those_whose_state_is_in_the_same_bucket(project: Project, write: Write) -> None:
    write("dev")
    write("prod")
    write("other-name", name="rag")
    write("elsewhere", account_id="999999999999")
    write("far", region="eu-west-1")
    assert found(project) == ["prod"]


def test_what_has_nothing_to_do_with_it_may_be_wrong(project: Project, write: Write) -> None:
    write("dev")
    write("broken", account_id="999999999999", engine="nonsense")
    write("other", name="rag", engine="nonsense")
    project.environment_file("empty").write_text("")
    project.environment_file("torn").write_text("models: [")
    assert found(project) == []


def test_a_neighbour_with_mistakes_is_told(project: Project, write: Write) -> None:
    write("dev")
    write("prod", engine="nonsense")
    with pytest.raises(EnvironmentFileError, match=r"prod\.yaml"):
        found(project)
