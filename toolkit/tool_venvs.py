"""Programs that need Python packages of their own, each in a virtual environment in the user's cache.

checkov pins an old boto3, Lambda functions must not see the toolkit's packages, and Terraform as a
library is needed only where there is no Terraform: none of them belongs among the toolkit's own
dependencies. Each is locked in `requirements/<name>.txt` and installed on first use.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.project import Project, cache_dir


@dataclass(frozen=True)
class ToolVenv:
    """An installed virtual environment.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def bin(self) -> Path:
        """Folder of its programs."""
        return self.path / "bin"

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.bin / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.path / "lib" / version / "site-packages"


def ensure(project: Project, name: str, console: Console) -> ToolVenv:
    """The tool environment `name`, installed now unless this lock file was installed before.

    The folder's name holds a digest of the lock file and the Python version, so a changed lock is a
    new environment and two checkouts with the same lock share one.

    Raises:
        PreflightError: pip could not install it.
    """
    lock = project.root / "requirements" / f"{name}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()[:12]
    directory = cache_dir() / "tools" / f"{name}-{digest}"
    if directory.is_dir():
        return ToolVenv(directory)
    with _exclusive(directory, console):
        # Another run may have installed it while this one waited.
        if not directory.is_dir():
            with console.progress(f"installing {name} (once)"):
                _install(directory, lock, name)
    return ToolVenv(directory)


@contextmanager
def _exclusive(directory: Path, console: Console) -> Iterator[None]:
    """Keep other runs from installing the same, which takes half a minute of a processor's time."""
    file = cache_dir() / f"{directory.name}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.line(f"waiting for another run that installs {directory.name} …")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _install(directory: Path, lock: Path, name: str) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    # Installed under another name and moved, so that an interrupted installation is never taken
    # for a whole one. Nothing here is run through a script with the old path in it: programs are
    # started as `python -m`.
    partial = directory.with_name(f"{directory.name}.{os.getpid()}.partial")
    try:
        venv.create(partial, with_pip=True, symlinks=True)
        _pip_install(partial / "bin" / "python", lock, name)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _pip_install(python: Path, lock: Path, name: str) -> None:
    # --no-deps: the lock file is complete, and some packages declare more than is used of them.
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--requirement", str(lock)]
    if not sys.dont_write_bytecode:
        # Python compiles what is imported when it is; most of what is installed never is.
        command.append("--no-compile")
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise PreflightError(
            f"could not install {name}",
            where=str(lock),
            details=result.stderr.strip().splitlines()[-8:],
            remedy="check that pip can reach a package index (pip's own settings apply), then run again",
        )
