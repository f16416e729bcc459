"""The copy of the Terraform code in a team's repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.terraform import stack_copy

LOCK = ".terraform.lock.hcl"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "environments").mkdir()
    return Project.find(tmp_path)


def test_the_copy_is_the_code_and_changes_in_it_are_undone(project: Project) -> None:
    stack_copy.update(project)
    main = project.stack("inference") / "main.tf"
    stale = project.stack("inference") / "stale.tf"
    original = (ROOT / "terraform" / "stacks" / "inference" / "main.tf").read_bytes()
    assert main.read_bytes() == original
    main.write_text("changed")
    stale.write_text("# of an earlier version\n")
    stack_copy.update(project)
    assert main.read_bytes() == original
    assert not stale.exists()


def test_an_extended_lock_stays_until_the_package_has_another(project: Project) -> None:
    stack_copy.update(project)
    lock = project.stack("inference") / LOCK
    extended = lock.read_text() + "# checksums of another platform\n"
    lock.write_text(extended)
    stack_copy.update(project)
    assert lock.read_text() == extended
    (project.terraform / "package-lock.hcl").write_text("of an earlier version")
    stack_copy.update(project)
    assert lock.read_bytes() == (ROOT / "terraform" / "stacks" / "inference" / LOCK).read_bytes()


def test_own_files_are_added_until_they_are_removed(project: Project) -> None:
    own = project.root / "terraform" / "account" / "team.tf"
    own.parent.mkdir(parents=True)
    own.write_text("locals {}\n")
    stack_copy.update(project)
    assert (project.stack("account") / "team.tf").read_text() == "locals {}\n"
    own.unlink()
    stack_copy.update(project)
    assert not (project.stack("account") / "team.tf").exists()


def test_a_file_of_the_toolkit_is_not_replaced(project: Project) -> None:
    own = project.root / "terraform" / "inference" / "main.tf"
    own.parent.mkdir(parents=True)
    own.write_text("")
    with pytest.raises(InputError, match="same name") as caught:
        stack_copy.update(project)
    assert "main_override.tf" in str(caught.value)


def test_the_folder_that_reserves_the_unstored_state_stays(project: Project) -> None:
    stack_copy.update(project)
    (project.stack("inference") / "errored.tfstate").mkdir()
    stack_copy.update(project)
    assert (project.stack("inference") / "errored.tfstate").is_dir()


def test_a_link_in_its_place_is_refused_and_nothing_deleted(project: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept.yaml").touch()
    project.terraform.symlink_to(other)
    with pytest.raises(InputError, match="symbolic link"):
        stack_copy.update(project)
    assert (other / "kept.yaml").exists()


def test_a_clone_is_the_project_of_its_terraform_folder(tmp_path: Path) -> None:
    for folder in ("environments", "stacks/inference"):
        (tmp_path / "terraform" / folder).mkdir(parents=True)
    assert Project.find(tmp_path / "terraform" / "stacks" / "inference") == Project(tmp_path)
    assert Project.find(tmp_path / "terraform") == Project(tmp_path)
