"""The files of a commit, or of the working tree, in a separate folder."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from toolkit.errors import InputError
from toolkit.processes import environment_without_secrets
from toolkit.project import Project
from toolkit.rehearsal.results import Revision

# Of a rehearsal: Terraform's data and the embedded cloud, which the base and the change share.
_KEPT = "build"
_NEVER = frozenset({".git", ".venv", _KEPT, "__pycache__"})
_DEFAULT_BRANCHES = ("origin/HEAD", "origin/main", "origin/master")


def base_of(project: Project, name: str | None) -> Revision:
    """The deployed version: the named commit, or where the change branched off.

    Without `name`, it is the merge base with the remote's default branch. On that branch itself it is the
    commit before, because a pipeline rehearses the newest one; with uncommitted changes, the newest commit.

    Raises:
        InputError: there is no such commit.
    """
    if name == "nothing":
        return Revision("nothing", "nothing")
    if name is not None:
        return Revision("commit", name, _commit(project, name))
    head, dirty = _git(project, "rev-parse", "--verify", "--quiet", "HEAD"), is_dirty(project)
    if head is None:
        return Revision("nothing", "nothing")
    default = next(
        (name for name in _DEFAULT_BRANCHES if _git(project, "rev-parse", "--verify", "-q", name)), None
    )
    if default is not None:
        merge_base = _git(project, "merge-base", "HEAD", default)
        if merge_base is None:
            raise InputError(
                f"cannot find the commit where this branch left {default}: the clone is shallow",
                remedy="fetch the whole history (actions/checkout: `fetch-depth: 0`), or use --from COMMIT",
            )
        if merge_base != head:
            return Revision("commit", f"merge base with {default}", merge_base)
    if dirty:
        return Revision("commit", "the newest commit", head)
    before = _git(project, "rev-parse", "--verify", "--quiet", "HEAD^")
    return Revision("commit", "the commit before", before) if before else Revision("nothing", "nothing")


def change_of(project: Project) -> Revision:
    """The version to deploy: the working tree."""
    commit = _git(project, "rev-parse", "--verify", "--quiet", "HEAD")
    return Revision("working tree", "working tree", commit, is_dirty(project))


def is_dirty(project: Project) -> bool:
    """Whether the working tree has changes that are not committed, new files included."""
    return bool(_git(project, "status", "--porcelain", "--", "."))


def write_commit(project: Project, commit: str, target: Path) -> None:
    """Replace the files of a folder by those of a commit.

    Raises:
        InputError: git cannot read the commit.
    """
    _clear(target)
    top = _git(project, "rev-parse", "--show-prefix") or ""
    result = _run(project, "archive", "--format=tar", f"{commit}:{top}")
    if result.returncode != 0:
        raise InputError(
            f"cannot read commit {commit[:12]}: {result.stderr.decode(errors='replace').strip()}",
            remedy="name another commit with --from",
        )
    with tarfile.open(fileobj=io.BytesIO(result.stdout)) as archive:
        archive.extractall(target, filter="data")
    _link_ignored(project, target)


def write_working_tree(project: Project, target: Path) -> None:
    """Replace the files of a folder by those of the working tree, without files that git ignores."""
    _clear(target)
    result = _run(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if result.returncode == 0:
        names = sorted({name.decode() for name in result.stdout.split(b"\0") if name})
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
    _link_ignored(project, target)


def _link_ignored(project: Project, target: Path) -> None:
    """Weights of models are usually ignored by git, and too large to copy."""
    for path in project.root.iterdir():
        if path.is_dir() and path.name not in _NEVER and not (target / path.name).exists():
            (target / path.name).symlink_to(path)


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
    commit = _git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit is None:
        raise InputError(
            f"cannot find the commit {name} in {project.root}",
            remedy="name a release, a branch, a tag or a commit, and fetch it first",
        )
    return commit


def _git(project: Project, *arguments: str) -> str | None:
    result = _run(project, *arguments)
    return result.stdout.decode().strip() if result.returncode == 0 else None


def _run(project: Project, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(project.root), *arguments],
            env=environment_without_secrets(),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:  # git is not installed
        return subprocess.CompletedProcess(arguments, 127, b"", b"git is not installed")
