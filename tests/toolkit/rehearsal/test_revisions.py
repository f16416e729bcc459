from __future__ import annotations

import os
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


def test_the_base_lacks_folders_that_the_change_adds(project: Project, tmp_path: Path) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    (project.root / "environments").mkdir()
    (project.root / "environments" / "dev.yaml").write_text("of the change")
    revisions.write_commit(project, first, tmp_path / "untracked")
    commit(project.root, "second")
    revisions.write_commit(project, first, tmp_path / "committed")
    assert not (tmp_path / "untracked" / "environments").exists()
    assert not (tmp_path / "committed" / "environments").exists()


def test_ignored_folders_are_linked_where_they_are(project: Project, tmp_path: Path) -> None:
    (project.root / ".gitignore").write_text("/models/weights/\n/terraform/.terraform/\n")
    for name in ("models/weights/model.gguf", "models/card", "terraform/.terraform/lock", "terraform/main"):
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text("")
    commit(project.root, "second")
    site = tmp_path / "site"
    revisions.write_working_tree(project, site)
    assert (site / "models" / "weights" / "model.gguf").is_file()
    assert not (site / "models").is_symlink()
    assert not (site / "terraform" / ".terraform").exists()


def test_linked_folders_are_in_the_working_tree(project: Project, tmp_path: Path) -> None:
    for name in ("templates/chat", "models/card"):
        (project.root / name).parent.mkdir()
        (project.root / name).write_text("")
    (project.root / "models" / "templates").symlink_to("../templates")
    commit(project.root, "second")
    revisions.write_working_tree(project, tmp_path / "site")
    assert (tmp_path / "site" / "models" / "templates" / "chat").is_file()


@pytest.mark.parametrize("target", ["/etc/hostname", "../../shared"])
def test_links_out_of_the_project_are_left_out(target: str, project: Project, tmp_path: Path) -> None:
    (project.root / "link").symlink_to(target)
    newest = commit(project.root, "second")
    site = tmp_path / "site"
    revisions.write_commit(project, newest, site)
    assert (site / "file").read_text() == "second"
    assert not (site / "link").is_symlink()


def test_names_of_files_need_not_be_utf_8(project: Project, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (project.root / name).write_text("")
    revisions.write_working_tree(project, tmp_path / "site")
    assert (tmp_path / "site" / name).is_file()


def test_a_project_may_be_in_a_folder_of_the_repository(project: Project, tmp_path: Path) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    (project.root / "team").mkdir()
    team, site = Project(project.root / "team"), tmp_path / "site"
    (team.root / "own").write_text("second")
    (team.root / "link").symlink_to("own")
    second = commit(project.root, "second")
    revisions.write_commit(team, second, site)
    assert sorted(path.name for path in site.iterdir()) == ["link", "own"]
    assert (site / "link").read_text() == "second"
    revisions.write_commit(team, first, site)
    assert not list(site.iterdir())


def test_a_default_branch_may_have_any_name(project: Project) -> None:
    first = git(project.root, "rev-parse", "HEAD")
    git(project.root, "remote", "set-head", "origin", "--delete")
    git(project.root, "update-ref", "refs/remotes/origin/trunk", "HEAD")
    git(project.root, "update-ref", "-d", "refs/remotes/origin/main")
    for content in ("second", "third"):
        commit(project.root, content)
    assert revisions.base_of(project, None).commit == first


def test_an_unknown_default_branch_is_not_guessed(project: Project) -> None:
    git(project.root, "remote", "set-head", "origin", "--delete")
    for branch in ("trunk", "feature"):
        git(project.root, "update-ref", f"refs/remotes/origin/{branch}", "HEAD")
    git(project.root, "update-ref", "-d", "refs/remotes/origin/main")
    with pytest.raises(InputError, match="the default branch of origin is unknown"):
        revisions.base_of(project, None)


def test_the_base_has_the_files_that_an_archive_lacks(project: Project, tmp_path: Path) -> None:
    (project.root / ".gitattributes").write_text("file export-ignore\nversion export-subst\n")
    (project.root / "version").write_text("$Format:%H$")
    newest = commit(project.root, "second")
    site = tmp_path / "site"
    revisions.write_commit(project, newest, site)
    assert (site / "file").read_text() == "second"
    assert (site / "version").read_text() == "$Format:%H$"


@pytest.mark.parametrize("branch", ["main", "feature"])
def test_a_clone_of_one_commit_does_not_start_from_nothing(
    branch: str, project: Project, tmp_path: Path
) -> None:
    commit(project.root, "second")
    git(project.root, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}-x")
    shallow = tmp_path / "shallow"
    shallow.mkdir()
    git(shallow, "init", "--quiet")
    address, reference = (tmp_path / "origin").as_uri(), f"refs/remotes/origin/{branch}"
    git(shallow, "fetch", "--quiet", "--depth", "1", address, f"{branch}-x:{reference}")
    git(shallow, "checkout", "--quiet", "--detach", reference)
    with pytest.raises(InputError, match="the clone is shallow"):
        revisions.base_of(Project(shallow), None)


def test_a_repository_that_git_refuses_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # git's own switch for its tests of repositories of other users.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(InputError, match="dubious ownership"):
        revisions.base_of(project, None)


def test_a_folder_without_a_repository_starts_from_nothing(tmp_path: Path) -> None:
    assert revisions.base_of(Project(tmp_path), None).kind == "nothing"
