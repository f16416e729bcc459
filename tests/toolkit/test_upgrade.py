"""The files that an upgrade changes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from toolkit import environment, repository, upgrade
from toolkit.console import Console
from toolkit.errors import InputError, PreflightError
from toolkit.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    repository.create(tmp_path / "team", "llm", None)
    return Project(tmp_path / "team")


def test_only_files_that_the_team_did_not_change_are_updated(project: Project) -> None:
    files = repository.managed_files(None)
    (project.root / "README.md").write_text("ours\n")
    (project.root / ".pre-commit-config.yaml").unlink()
    new = {**files, "Makefile": b"new\n", "README.md": b"new\n", ".pre-commit-config.yaml": b"new\n"}
    new |= {"added.yml": b"new\n", repository.PIN: b"sagemaker-llm-toolkit==9\n"}
    del new["requirements/model.txt"]

    changes = upgrade.Upgrade(project, Path("python"), new).apply()

    assert changes.updated == ["Makefile", "added.yml", repository.PIN]
    assert changes.deleted == ["requirements/model.txt"]
    assert list(changes.differences) == ["README.md"]
    assert changes.differences["README.md"].endswith("+new")
    assert (project.root / "README.md").read_text() == "ours\n"
    assert not (project.root / ".pre-commit-config.yaml").exists()


def test_the_pin_is_written_and_the_teams_other_lines_stay(project: Project) -> None:
    pinned = "sagemaker-llm-toolkit==0.0.1 \\\n    --hash=sha256:ab\n"
    (project.root / repository.PIN).write_text(f"# ours\n{pinned}internal-rules==2.1\n")
    new = {**repository.managed_files(None), repository.PIN: b"sagemaker-llm-toolkit==9\n"}
    upgrade.Upgrade(project, Path("python"), new).apply()
    text = (project.root / repository.PIN).read_text()
    assert text == "# ours\nsagemaker-llm-toolkit==9\ninternal-rules==2.1\n"


def test_aws_is_planned_with_the_users_credentials(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There is no embedded cloud for `local`.
    assert upgrade.planned(project, environment.names(project)) == ["dev"]
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho \"$PWD $AWS_ACCESS_KEY_ID $*\" > '{tmp_path}/call'\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-user")
    assert upgrade.Upgrade(project, python, {}).plan("dev") == 3
    call = (tmp_path / "call").read_text()
    assert call == f"{project.root} of-the-user -m toolkit plan --env dev\n"


def test_a_python_without_ensurepip_is_explained(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\necho No module named ensurepip\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "_base_executable", str(python))
    with pytest.raises(PreflightError, match="No module named ensurepip") as error:
        upgrade.prepare(project, None, [], Console())
    assert "python3-venv" in (error.value.remedy or "")


def test_a_killed_plan_is_not_a_success(project: Project, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -TERM $$\n")
    python.chmod(0o755)
    assert upgrade.Upgrade(project, python, {}).plan("dev") == 143


@pytest.mark.parametrize(
    ("pin", "version", "requirement"),
    [
        ("sagemaker-llm-toolkit==1.0 --hash=sha256:ab", None, "sagemaker-llm-toolkit"),
        ("sagemaker-llm-toolkit==1.0", "1.1", "sagemaker-llm-toolkit==1.1"),
        (
            "sagemaker-llm-toolkit @ git+ssh://git@example.com/a/b@c0ffee",
            "v2",
            "sagemaker-llm-toolkit @ git+ssh://git@example.com/a/b@v2",
        ),
        (
            "sagemaker-llm-toolkit @ git+https://me@example.com/a/b@feature/x",
            "v2",
            "sagemaker-llm-toolkit @ git+https://me@example.com/a/b@v2",
        ),
        (
            "sagemaker-llm-toolkit @ git+https://example.com/a/b@c0ffee",
            None,
            "sagemaker-llm-toolkit @ git+https://example.com/a/b",
        ),
    ],
)
def test_the_pin_says_where_versions_come_from(
    project: Project, pin: str, version: str | None, requirement: str
) -> None:
    (project.root / repository.PIN).write_text(pin + "\n")
    assert upgrade._requirement(project, version) == requirement


@pytest.mark.parametrize(
    ("pin", "version", "message"),
    [("boto3==1", None, "pins no version"), ("sagemaker-llm-toolkit==1", "-r x", "not a version")],
)
def test_a_broken_request_changes_nothing(
    project: Project, pin: str, version: str | None, message: str
) -> None:
    (project.root / repository.PIN).write_text(pin + "\n")
    with pytest.raises(InputError, match=message):
        upgrade.prepare(project, version, [], Console())
    assert (project.root / repository.PIN).read_text() == pin + "\n"


def test_a_clone_is_not_upgraded(checkout: Path) -> None:
    with pytest.raises(InputError, match="clone"):
        upgrade.prepare(Project(checkout), None, [], Console())
