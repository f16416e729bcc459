"""Moves a team's repository to another version of the toolkit."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit import os_errors, repository, tool_venvs
from toolkit.console import Console
from toolkit.errors import InputError, PreflightError
from toolkit.files import write_atomic
from toolkit.processes import environment_without_secrets
from toolkit.project import Project
from toolkit.repository import DISTRIBUTION, PIN

_PINNED = re.compile(rf"^{DISTRIBUTION}\s*(?P<source>==|@)\s*(?P<value>\S+)", re.MULTILINE)

# With its continuation lines.
_PIN_LINES = re.compile(rb"^%s\s*(==|@)(?:[^\n]*\\\n)*[^\n]*" % DISTRIBUTION.encode(), re.MULTILINE)


@dataclass
class Changes:
    """The changes of an upgrade to the files of the repository.

    Attributes:
        updated: updated or new files.
        deleted: files that the new version does not write any more.
        differences: by file that the team changed, what the new version would have changed in it.
    """

    updated: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    differences: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Upgrade:
    """A version of the toolkit, installed next to the project's own.

    Attributes:
        project: the team's repository.
        python: the Python of the new version.
        files: the files that the new version writes.
    """

    project: Project
    python: Path
    files: dict[str, bytes]

    def apply(self) -> Changes:
        """Update the files of the repository that the team did not change, and the pin."""
        changes = Changes()
        before = repository.managed_files(repository.ci_system(self.project))
        for name in sorted({*before, *self.files}):
            path = self.project.root / name
            current = path.read_bytes() if path.is_file() else None
            old, new = before.get(name), self.files.get(name)
            if current == new or (old == new != current and name != PIN):
                continue
            if new is not None and (current == old or name == PIN):
                write_atomic(path, _with_pin(current, new) if name == PIN else new)
                changes.updated.append(name)
            elif new is None and current == old:
                path.unlink()
                changes.deleted.append(name)
            elif current is not None:
                changes.differences[name] = _difference(name, old or b"", new or b"")
        return changes

    def plan(self, env: str) -> int:
        """Plan an environment with the new version; returns the exit code."""
        code = subprocess.run(
            [self.python, "-m", "toolkit", "plan", "--env", env],
            cwd=self.project.root,
            # The user's own, credentials included: the plan is what the user would run.
            env=dict(os.environ),
            check=False,
        ).returncode
        # As a shell reports a signal: Python's negative code would count as less than success.
        return code if code >= 0 else 128 - code


def prepare(
    project: Project, version: str | None, find_links: Sequence[str], console: Console, *, local: bool = False
) -> Upgrade:
    """Install another version of the toolkit in `build/upgrade`.

    Args:
        project: the team's repository.
        version: such as 0.2.0, or a branch or tag if a repository is pinned; by default the newest.
        find_links: folders of wheels, in addition to pip's own settings.
        console: shows progress.
        local: also install the model of local environments, which their plans read.

    Raises:
        InputError: the project is a clone, or it pins no version.
        PreflightError: the version cannot be installed.
    """
    if project.is_clone:
        raise InputError("cannot upgrade a clone of the toolkit's repository", remedy="run `git pull`")
    requirement = _requirement(project, version)
    folder = project.build / ".upgrade"
    shutil.rmtree(folder, ignore_errors=True)
    options = [
        f"--find-links={Path(link).resolve()}" if Path(link).is_dir() else f"--find-links={link}"
        for link in find_links
    ]
    with console.progress(f"installing {requirement}"):
        python = tool_venvs.create(folder / "venv")
        if "@" in requirement:
            _pip(python, "install", "--no-deps", *options, requirement)
        else:
            # From a file, because pip then records its digest for the pin.
            _pip(python, "download", "--no-deps", "--dest", str(folder / "dist"), *options, requirement)
            (file,) = (folder / "dist").iterdir()
            _pip(python, "install", "--no-deps", *options, str(file))
        code = _run(python, "-c", "from toolkit import project; print(project.own_code())").strip()
        for name in ("toolkit", "model") if local else ("toolkit",):
            lock = Path(code) / "requirements" / f"{name}.txt"
            _pip(python, "install", "--no-deps", "--require-hashes", *options, "--requirement", str(lock))
        ci = repository.ci_system(project)
        _run(python, "-m", "toolkit", "new", str(folder / "files"), *(["--ci", ci] if ci else []))
    initial = repository.initial_files("llm")
    files = {
        path.relative_to(folder / "files").as_posix(): path.read_bytes()
        for path in (folder / "files").rglob("*")
        if path.is_file()
    }
    return Upgrade(project, python, {name: text for name, text in files.items() if name not in initial})


def _with_pin(current: bytes | None, new: bytes) -> bytes:
    """The team's requirements with another pin; its other lines stay."""
    if current is None or not _PIN_LINES.search(current):
        return new
    return _PIN_LINES.sub(lambda _: new.rstrip(b"\n"), current, count=1)


def _requirement(project: Project, version: str | None) -> str:
    file = project.root / PIN
    pinned = _PINNED.search(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else None
    if pinned is None:
        raise InputError(
            f"cannot upgrade: {PIN} pins no version of {DISTRIBUTION}",
            where=project.relative(file),
            remedy=f"add the line {DISTRIBUTION}==VERSION",
        )
    if pinned["source"] == "@":
        # A reference follows the path, and may contain slashes; the host may have a user.
        url = re.sub(r"^(\w[\w+]*://[^/]+/[^@]+)@.+$", r"\1", pinned["value"])
        return f"{DISTRIBUTION} @ {url}@{version}" if version else f"{DISTRIBUTION} @ {url}"
    if version is not None and not re.fullmatch(r"[0-9][\w.!+-]*", version):
        raise InputError(f"{version!r} is not a version", remedy="name one such as 0.2.0")
    return f"{DISTRIBUTION}=={version}" if version else DISTRIBUTION


def _pip(python: Path, command: str, *arguments: str) -> None:
    options = ("--quiet", "--disable-pip-version-check")
    _run(python, "-m", "pip", command, *options, *arguments)


def _run(python: Path, *arguments: str) -> str:
    result = subprocess.run(
        [str(python), *arguments],
        env=environment_without_secrets("PIP_"),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise os_errors.in_output(result.stderr, python.parents[2]) or PreflightError(
            "cannot install the other version of the toolkit; nothing was changed",
            details=result.stderr.strip().splitlines()[-8:],
            remedy="check the version, and that pip can reach an index or --find-links",
        )
    return result.stdout


def _difference(name: str, old: bytes, new: bytes) -> str:
    before, after = (text.decode(errors="replace").splitlines() for text in (old, new))
    return "\n".join(difflib.unified_diff(before, after, f"{name} (written)", f"{name} (new)", lineterm=""))


def planned(project: Project, environments: Iterable[str]) -> list[str]:
    """The environments that can be planned; those of an embedded cloud that is not running cannot."""
    from toolkit.environment import load
    from toolkit.local import client

    status = client.status(project)
    has_local = status is not None and not status.empty
    return [name for name in environments if has_local or not load(project, name).is_local]
