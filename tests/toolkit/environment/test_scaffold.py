"""New environment files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolkit.environment import load, scaffold
from toolkit.errors import InputError
from toolkit.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    return Project(tmp_path)


@pytest.mark.parametrize("target", ["local", "aws"])
def test_a_new_environment_is_valid(project: Project, target: str) -> None:
    path = scaffold.create(project, "prod", target)
    assert path == project.environment_file("prod")
    environment = load(project, "prod")
    assert environment.target == target
    assert environment.prefix == "llm-prod"


def test_the_first_line_names_the_schema(project: Project) -> None:
    first = scaffold.create(project, "prod", "aws").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=environment.schema.json"


def test_values_are_escaped(project: Project) -> None:
    text = scaffold.text("prod", "aws", name='x", evil: "', region="us-east-1\nevil: true")
    project.environment_file("prod").write_text(text)
    with pytest.raises(InputError) as caught:
        load(project, "prod")
    assert "evil: unknown key" not in str(caught.value)
    assert "is not an AWS region" in str(caught.value)


def test_an_existing_environment_is_not_overwritten(project: Project) -> None:
    project.environment_file("prod").write_text("mine")
    with pytest.raises(InputError, match="already"):
        scaffold.create(project, "prod", "aws")
    assert project.environment_file("prod").read_text() == "mine"


def test_an_invalid_name_is_rejected(project: Project) -> None:
    with pytest.raises(InputError, match="name"):
        scaffold.create(project, "../escape", "aws")


def test_a_full_disk_leaves_no_partial_file(project: Project) -> None:
    script = """
import resource, sys
from pathlib import Path
from toolkit.environment import scaffold
from toolkit.project import Project
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
scaffold.create(Project(Path(sys.argv[1])), "prod", "aws")
"""
    command = [sys.executable, "-B", "-c", script, str(project.root)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "OSError" in result.stderr
    assert not project.environment_file("prod").exists()
