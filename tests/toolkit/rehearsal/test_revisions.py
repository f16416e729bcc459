from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.rehearsal import revisions


def git(directory: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
    output = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout
    return output.strip()


def commit(directory: Path, content: str) -> str:
    (directory / "file").write_text(content)
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", content)
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A clone at the newest commit `first` of its origin's branch `main`."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    git(origin, "init", "--quiet", "--initial-branch", "main")
    commit(origin, "first")
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    return Project(clone)


def test_a_branch_starts_where_it_left_the_default_branch(project: Project) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    git(project.root, "switch", "--quiet", "--create", "feature")
    commit(project.root, "second")
    base = revisions.base_of(project, None)
    assert (base.description, base.commit) == ("merge base with origin/HEAD", first)


def test_uncommitted_changes_start_from_the_newest_commit(project: Project) -> None:
    (project.root / "new").write_text("not committed")
    assert revisions.base_of(project, None).commit == git(project.root, "rev-parse", "HEAD")
    assert revisions.change_of(project).uncommitted


def test_a_merged_change_starts_from_the_commit_before(project: Project) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    commit(project.root, "second")
    git(project.root, "push", "--quiet", "origin", "HEAD:refs/heads/other")
    git(project.root, "update-ref", "refs/remotes/origin/main", "HEAD")
    assert revisions.base_of(project, None).commit == first


def test_a_base_can_be_named(project: Project) -> None:
    git(project.root, "tag", "v1")
    assert revisions.base_of(project, "v1").commit == git(project.root, "rev-parse", "HEAD")
    assert revisions.base_of(project, "nothing").kind == "nothing"
    with pytest.raises(InputError, match="cannot find the commit v2"):
        revisions.base_of(project, "v2")


def test_a_shallow_clone_needs_a_named_base(project: Project, tmp_path: Path) -> None:
    git(project.root, "switch", "--quiet", "--create", "feature")
    commit(project.root, "second")
    git(project.root, "push", "--quiet", "origin", "feature")
    shallow = tmp_path / "shallow"
    address = (tmp_path / "origin").as_uri()
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--branch", "feature", address, str(shallow))
    git(shallow, "fetch", "--quiet", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    # The branches have no common commit in this clone.
    git(shallow, "checkout", "--quiet", "--orphan", "apart")
    commit(shallow, "apart")
    with pytest.raises(InputError, match="the clone is shallow") as error:
        revisions.base_of(Project(shallow), None)
    assert error.value.remedy is not None
    assert "--from" in error.value.remedy


def test_files_of_a_commit_replace_all_but_the_build_folder(project: Project, tmp_path: Path) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    commit(project.root, "second")
    site = tmp_path / "site"
    (site / "build").mkdir(parents=True)
    (site / "build" / "kept").write_text("")
    (site / "stale").write_text("")
    revisions.write_commit(project, first, site)
    assert (site / "file").read_text() == "first"
    assert sorted(path.name for path in site.iterdir()) == ["build", "file"]
    assert (site / "build" / "kept").is_file()


def test_the_working_tree_includes_new_and_ignored_files(project: Project, tmp_path: Path) -> None:
    (project.root / ".gitignore").write_text("weights/\n")
    (project.root / "weights").mkdir()
    (project.root / "weights" / "model.gguf").write_text("large")
    (project.root / "new").write_text("not committed")
    site = tmp_path / "site"
    revisions.write_working_tree(project, site)
    assert (site / "new").read_text() == "not committed"
    assert (site / "weights").is_symlink()
    assert not (site / ".git").exists()
