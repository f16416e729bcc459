"""Install a function's dependencies from its lock file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from toolkit import os_errors
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.processes import environment_without_secrets
from toolkit.project import cache_dir

# Pure Python for Lambda's version, independent of the Python and machine that build the package.
_TARGET = ["--only-binary=:all:", "--platform", "any", "--implementation", "py", "--abi", "none"]
_TARGET += ["--python-version", "3.13"]
# Files that pip writes about this installation; programs in bin/ contain this machine's path.
_LOCAL_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_LOCAL_FOLDERS = frozenset({"bin", "__pycache__"})


@dataclass(frozen=True)
class Dependencies:
    """The packages in a lock file.

    Attributes:
        lock: a requirements file with hashes.
    """

    lock: Path

    @property
    def digest(self) -> str:
        """Digest of the lock file."""
        return hashlib.sha256(self.lock.read_bytes() + " ".join(_TARGET).encode()).hexdigest()

    def files(self, console: Console) -> dict[str, bytes]:
        """Contents by name, downloaded once to the user's cache.

        Raises:
            PreflightError: pip failed.
        """
        directory = cache_dir() / "lambda" / self.digest[:16]
        if not directory.is_dir():
            self._fetch(directory, console)
        return {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file() and _belongs(path.relative_to(directory))
        }

    def _fetch(self, directory: Path, console: Console) -> None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        partial = directory.with_name(f"{directory.name}.{os.getpid()}.partial")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "--no-compile", *_TARGET]
        command += ["--target", str(partial), "--requirement", str(self.lock)]
        try:
            with console.progress("downloading the gateway's dependencies (once)"):
                environment = environment_without_secrets("PIP_")
                result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise os_errors.in_output(result.stderr, directory.parent) or PreflightError(
                    "cannot install the dependencies of a Lambda function",
                    where=str(self.lock),
                    details=result.stderr.strip().splitlines()[-8:],
                    remedy="check that pip can reach a package index (pip's own settings apply)",
                )
            try:
                partial.rename(directory)
            except OSError:
                # Another process installed the same packages meanwhile.
                if not directory.is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _belongs(path: Path) -> bool:
    return not _LOCAL_FOLDERS & set(path.parts[:-1]) and path.name not in _LOCAL_FILES
