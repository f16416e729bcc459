"""The files of a commit, or of the working tree, in a separate folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from toolkit import git
from toolkit.errors import InputError
from toolkit.project import Project
from toolkit.rehearsal.results import Revision

# Of a rehearsal: Terraform's data and the embedded cloud, which the base and the change share.
_KEPT = "build"
# git's mode of symbolic links.
_LINK = "120000 "
_NEVER = frozenset({".git", ".venv", _KEPT, "__pycache__"})
_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")


def base_of(project: Project, name: str | None) -> Revision:
    """The deployed version: the named commit, or where the change branched off.

    Without `name`, it is the merge base with the remote's default branch. On that branch itself it is the
    commit before, because a pipeline rehearses the newest one; with uncommitted changes, the newest commit.

    Raises:
        InputError: there is no such commit, or the default branch is unknown.
    """
    if name == "nothing":
        return Revision("nothing", "nothing")
    if name is not None:
        return Revision("commit", name, _commit(project, name))
    _check_readable(project)
    head, dirty = git.output(project.root, "rev-parse", "--verify", "--quiet", "HEAD"), is_dirty(project)
    if head is None:
        return Revision("nothing", "nothing")
    default = _default_branch(project)
    if default is not None:
        merge_base = git.output(project.root, "merge-base", "HEAD", default)
        if merge_base is None:
            raise _shallow(f"the commit where this branch left {default}")
        if merge_base != head:
            return Revision("commit", f"merge base with {default}", merge_base)
    if dirty:
        return Revision("commit", "the newest commit", head)
    before = git.output(project.root, "rev-parse", "--verify", "--quiet", "HEAD^")
    if before is None and git.output(project.root, "rev-parse", "--is-shallow-repository") == "true":
        raise _shallow("the commit before the change")
    return Revision("commit", "the commit before", before) if before else Revision("nothing", "nothing")


def _default_branch(project: Project) -> str | None:
    """The remote's default branch; None without a remote.

    Raises:
        InputError: the clone does not record which of several branches it is.
    """
    listing = git.output(project.root, "for-each-ref", "--format=%(refname:lstrip=2)", "refs/remotes/origin")
    branches = (listing or "").split()
    default = next((name for name in _DEFAULT_BRANCHES if name in branches), None)
    if default is None and len(branches) > 1:
        raise InputError(
            "cannot find the commit where this branch began: the default branch of origin is unknown",
            remedy="run `git remote set-head origin --auto`, or use --from COMMIT",
        )
    return default or next(iter(branches), None)


def _shallow(what: str) -> InputError:
    return InputError(
        f"cannot find {what}: the clone is shallow",
        remedy="fetch the whole history (actions/checkout: `fetch-depth: 0`), or use --from COMMIT",
    )


def _check_readable(project: Project) -> None:
    """Tell a folder without a repository from a repository that git refuses, such as one of another user.

    Raises:
        InputError: git refuses it; the base would be nothing.
    """
    result = git.run(project.root, "rev-parse", "--git-dir")
    message = result.stderr.decode(errors="replace").strip()
    if result.returncode in (0, git.NOT_INSTALLED) or "not a git repository" in message:
        return
    raise InputError(
        f"cannot read the repository of {project.root}: {message}",
        remedy="let git read it, or use --from nothing",
    )


def change_of(project: Project) -> Revision:
    """The version to deploy: the working tree."""
    commit = git.output(project.root, "rev-parse", "--verify", "--quiet", "HEAD")
    return Revision("working tree", "working tree", commit, is_dirty(project))


def is_dirty(project: Project) -> bool:
    """Whether the working tree has changes that are not committed, new files included."""
    return bool(git.output(project.root, "status", "--porcelain", "--", "."))


def write_commit(project: Project, commit: str, target: Path) -> None:
    """Replace the files of a folder by those of a commit; by none if it does not have the project's folder.

    Links to files outside of the project are left out: they would lead elsewhere.

    Raises:
        InputError: git cannot read the commit.
    """
    _clear(target)
    top = git.output(project.root, "rev-parse", "--show-prefix") or ""
    if (
        top
        and git.output(project.root, "cat-file", "-e", f"{commit}:{top}") is None
        and git.output(project.root, "cat-file", "-e", commit) is not None
    ):
        return
    # `git archive` would leave out files, and change others (export-ignore, export-subst).
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        repository = project.root / (git.output(project.root, "rev-parse", "--show-cdup") or ".")
        commands = (("read-tree", f"{commit}:{top}"), ("checkout-index", "--all", f"--prefix={target}/"))
        for arguments in commands:
            result = git.run(repository, *arguments, **index)
            if result.returncode != 0:
                raise InputError(
                    f"cannot read commit {commit[:12]}: {result.stderr.decode(errors='replace').strip()}",
                    remedy="name another commit with --from",
                )
        listing = ("ls-files", "--stage", "-z")
        entries = git.run(repository, *listing, **index).stdout
    for entry in map(os.fsdecode, entries.split(b"\0")):
        link = target / entry.partition("\t")[2]
        if entry.startswith(_LINK) and not Path(os.path.realpath(link)).is_relative_to(target.resolve()):
            link.unlink()
    _link_ignored(project, target)


def write_working_tree(project: Project, target: Path) -> None:
    """Replace the files of a folder by those of the working tree, without files that git ignores."""
    _clear(target)
    result = git.run(project.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if result.returncode == 0:
        names = sorted({os.fsdecode(name) for name in result.stdout.split(b"\0") if name})
    else:
        # Not a git repository.
        names = [
            str(path.relative_to(project.root))
            for path in project.root.rglob("*")
            if not path.is_dir() and not _NEVER & set(path.relative_to(project.root).parts)
        ]
    for name in names:
        source = project.root / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
        elif source.is_dir():  # a submodule, or a link
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).symlink_to(source)
    _link_ignored(project, target)


def _link_ignored(project: Project, target: Path) -> None:
    """Weights of models are usually ignored by git, and too large to copy.

    Other folders are not linked: the base would get those that the change adds.
    """
    options = ("--others", "--ignored", "--exclude-standard", "--directory")
    for name in map(
        os.fsdecode, git.run(project.root, "ls-files", "-z", *options, "--", ".").stdout.split(b"\0")
    ):
        path = Path(name)
        # Caches and the data of tools begin with a dot.
        skipped = any(part in _NEVER or part.startswith(".") for part in path.parts)
        if name.endswith("/") and path.parts and not skipped and not (target / path).exists():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).symlink_to(project.root / path)


def _clear(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in target.iterdir():
        if path.name == _KEPT:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _commit(project: Project, name: str) -> str:
    commit = git.output(
        project.root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
    )
    if commit is None:
        raise InputError(
            f"cannot find the commit {name} in {project.root}",
            remedy="name a release, a branch, a tag or a commit, and fetch it first",
        )
    return commit
