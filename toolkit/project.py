"""Paths: the repository that the toolkit works in, its build directory, the user's cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import InputError

ENVIRONMENTS = Path("terraform") / "environments"


@dataclass(frozen=True)
class Project:
    """A checkout with `terraform/environments/` in it.

    Attributes:
        root: absolute path of the checkout.
    """

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project that contains `start`, by default the working directory.

        `TOOLKIT_PROJECT` overrides it.

        Raises:
            InputError: there is no project.
        """
        configured = os.environ.get("TOOLKIT_PROJECT")
        first = Path(configured or start or _working_directory()).resolve()
        for directory in [first] if configured else [first, *first.parents]:
            if (directory / ENVIRONMENTS).is_dir():
                return cls(directory)
        parents = "" if configured else " or the folders above it"
        raise InputError(
            f"cannot find a project: no {ENVIRONMENTS}/ in {first}{parents}",
            remedy="run the command inside a clone of the repository, or set TOOLKIT_PROJECT to one",
        )

    @property
    def environments(self) -> Path:
        """Folder of the environment files."""
        return self.root / ENVIRONMENTS

    def environment_file(self, name: str) -> Path:
        """The file of environment `name`; it may not exist."""
        return self.environments / f"{name}.yaml"

    def stack(self, name: str) -> Path:
        """Folder of a Terraform stack, `account` or `inference`."""
        return self.root / "terraform" / "stacks" / name

    @property
    def build(self) -> Path:
        """Folder of generated files, ignored by git."""
        return self.root / "build"

    def environment_build(self, name: str) -> Path:
        """Folder of one environment's generated files."""
        return self.build / name

    @property
    def lambda_build(self) -> Path:
        """Lambda packages, which all environments share."""
        return self.build / "lambda"

    @property
    def local_cloud(self) -> Path:
        """State of the embedded cloud: port, process id, model directories, log."""
        return self.build / ".cloud"

    def relative(self, path: Path) -> str:
        """`path` relative to the project if it is inside, otherwise absolute."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def home_dir() -> Path | None:
    """The user's home; None if the user has no passwd entry, as often in containers."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def cache_dir() -> Path:
    """The user's cache for downloads, shared by all checkouts.

    `TOOLKIT_CACHE_DIR` overrides the operating system's default.

    Raises:
        InputError: it names an unknown user's home, or there is no default.
    """
    configured = os.environ.get("TOOLKIT_CACHE_DIR")
    if configured:
        return _expand(configured).resolve()
    if home_dir() is None and not os.environ.get("XDG_CACHE_HOME"):
        raise InputError(
            "cannot choose a cache folder: you have no home directory",
            remedy="set TOOLKIT_CACHE_DIR to a writable folder, or set HOME",
        )
    import platformdirs

    return Path(platformdirs.user_cache_dir("sagemaker-llm-toolkit"))


def _expand(folder: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError:
        raise InputError(
            f"cannot expand TOOLKIT_CACHE_DIR {folder!r}: no such user", remedy="set it to an absolute path"
        ) from None


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise InputError(
            "the working directory no longer exists", remedy="change to an existing folder"
        ) from None
