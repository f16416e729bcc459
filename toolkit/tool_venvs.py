"""Virtual environments in the user's cache for programs with separate dependencies.

checkov pins an old boto3, Lambda functions must not see the toolkit's packages, and the Terraform library is
needed only where no Terraform is installed. Each is locked in `requirements/<name>.txt` and installed on
first use.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from toolkit import os_errors
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.files import exclusive_lock
from toolkit.processes import environment_without_secrets
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
        """Folder of its packages."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.path / "lib" / version / "site-packages"


def ensure(project: Project, name: str, console: Console) -> ToolVenv:
    """The virtual environment `name`, installed on first use.

    The folder's name contains a digest of the lock file and the Python version: a changed lock file creates a
    new environment, and checkouts with the same lock file share one.

    Raises:
        PreflightError: pip failed.
    """
    lock = project.code / "requirements" / f"{name}.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()[:12]
    directory = cache_dir() / "tools" / f"{name}-{digest}"
    if directory.is_dir():
        return ToolVenv(directory)
    # Next to the environment, because caches can share this folder through a link.
    lock_file = directory.with_name(f"{directory.name}.lock")
    waiting = f"waiting for another run that installs {directory.name} …"
    with exclusive_lock(lock_file, lambda: console.line(waiting)):
        # Another run may have installed it meanwhile.
        if not directory.is_dir():
            with console.progress(f"installing {name} (once)"):
                _install(directory, lock, name)
    return ToolVenv(directory)


def _install(directory: Path, lock: Path, name: str) -> None:
    # Installed under a temporary name, so that an interrupted installation is never used. Scripts contain
    # that name, so programs are started as `python -m`.
    partial = directory.with_name(f"{directory.name}.{os.getpid()}.partial")
    try:
        _pip_install(create(partial), lock, name)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def create(directory: Path) -> Path:
    """Create a virtual environment with pip; returns its Python.

    Raises:
        PreflightError: it cannot be created.
    """
    try:
        venv.create(directory, with_pip=True, symlinks=True)
    except subprocess.CalledProcessError as error:
        output = (error.output or b"").decode(errors="replace")
        raise os_errors.in_output(output, directory.parent) or PreflightError(
            "cannot create a virtual environment",
            where=str(directory.parent),
            details=output.strip().splitlines()[-8:],
            remedy="check that this Python has the module ensurepip (Debian: python3-venv)",
        ) from None
    return directory / "bin" / "python"


def _pip_install(python: Path, lock: Path, name: str) -> None:
    # --no-deps: the lock file is complete, and some packages declare unused dependencies.
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--requirement", str(lock)]
    if not sys.dont_write_bytecode:
        # Python compiles modules on import; most are never imported.
        command.append("--no-compile")
    environment = environment_without_secrets("PIP_")
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise os_errors.in_output(result.stderr, python.parents[2]) or PreflightError(
            f"cannot install {name}",
            where=str(lock),
            details=result.stderr.strip().splitlines()[-8:],
            remedy="check that pip can reach a package index (pip's own settings apply), then retry",
        )
