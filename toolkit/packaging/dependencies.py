"""A function's dependencies as files, from its lock file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.project import cache_dir

# Pure Python for Lambda's version, whatever Python and machine build the package.
_TARGET = ["--only-binary=:all:", "--platform", "any", "--implementation", "py", "--abi", "none"]
_TARGET += ["--python-version", "3.13"]
# What pip writes about this installation; the programs in bin/ name this machine's Python.
_LOCAL_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_LOCAL_FOLDERS = frozenset({"bin", "__pycache__"})


@dataclass(frozen=True)
class Dependencies:
    """The packages that a lock file names.

    Attributes:
        lock: a requirements file with hashes.
    """

    lock: Path

    @property
    def digest(self) -> str:
        """Changes when the lock file does."""
        return hashlib.sha256(self.lock.read_bytes() + " ".join(_TARGET).encode()).hexdigest()

    def files(self, console: Console) -> dict[str, bytes]:
        """Contents by name, fetched once and kept in the user's cache.

        Raises:
            PreflightError: pip could not fetch them.
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
            with console.progress("fetching the gateway's dependencies (once)"):
                result = subprocess.run(command, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                raise PreflightError(
                    "could not fetch the dependencies of a Lambda function",
                    where=str(self.lock),
                    details=result.stderr.strip().splitlines()[-8:],
                    remedy="check that pip can reach a package index (pip's own settings apply)",
                )
            try:
                partial.rename(directory)
            except OSError:
                # Another process fetched the same at the same time; its result is as good.
                if not directory.is_dir():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _belongs(path: Path) -> bool:
    return not _LOCAL_FOLDERS & set(path.parts[:-1]) and path.name not in _LOCAL_FILES
