"""Install a function's dependencies from its lock file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from toolkit import os_errors
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.processes import environment_without_secrets
from toolkit.project import cache_dir

_PYTHON: Final = "3.13"
# Of the wheels that Amazon Linux 2023 (glibc 2.34) can load, newest first.
_LINUX: Final = ("manylinux_2_34", "manylinux_2_28", "manylinux2014")
_BINARY: Final = "--only-binary=:all:"
# Files that pip writes about this installation; programs in bin/ contain this machine's path.
_LOCAL_FILES = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_LOCAL_FOLDERS = frozenset({"bin", "__pycache__"})


@dataclass(frozen=True)
class Platform:
    """The Python that imports packages.

    Attributes:
        options: pip's options that select wheels for it.
        name: tells it apart from others with the same options.
    """

    options: tuple[str, ...]
    name: str = ""

    @classmethod
    def pure(cls) -> Platform:
        """Pure Python for Lambda's version, independent of the Python and machine that build the package."""
        wheels = ("--platform", "any", "--implementation", "py", "--abi", "none")
        return cls((*wheels, "--python-version", _PYTHON))

    @classmethod
    def aws_lambda(cls, architecture: str) -> Platform:
        """Lambda, also with compiled wheels for `arm64` or `x86_64`."""
        machine = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
        platforms = [option for tag in _LINUX for option in ("--platform", f"{tag}_{machine}")]
        abis = ("--abi", f"cp{_PYTHON.replace('.', '')}", "--abi", "abi3", "--abi", "none")
        return cls((*platforms, "--implementation", "cp", *abis, "--python-version", _PYTHON))

    @classmethod
    def this_machine(cls) -> Platform:
        """The running Python, which executes the functions of the embedded cloud."""
        return cls((), f"{sys.implementation.cache_tag} {sysconfig.get_platform()}")


@dataclass(frozen=True)
class Dependencies:
    """The packages in a lock file.

    Attributes:
        lock: a requirements file with hashes.
        platform: where they run.
    """

    lock: Path
    platform: Platform = field(default_factory=Platform.pure)

    @property
    def digest(self) -> str:
        """Digest of the lock file and the platform."""
        target = " ".join((_BINARY, *self.platform.options)) + self.platform.name
        return hashlib.sha256(self.lock.read_bytes() + target.encode()).hexdigest()

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
        command += ["--no-deps", "--require-hashes", "--no-compile", _BINARY, *self.platform.options]
        command += ["--target", str(partial), "--requirement", str(self.lock)]
        try:
            with console.progress("downloading the dependencies of a function (once)"):
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
