"""Paths: the project that the toolkit works in, the toolkit's own code, and the user's cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import InputError

# Of a clone of the toolkit's repository, and of a team's own repository.
ENVIRONMENTS = (Path("terraform") / "environments", Path("environments"))
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Project:
    """A folder with environment files: a clone of the toolkit's repository, or a team's own repository.

    A clone contains the code that it deploys. A team's repository takes it from the installed package.

    Attributes:
        root: absolute path of the folder.
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
            # The folder `terraform` of a clone has environments, too.
            is_inside_clone = directory.name == "terraform" and (directory / "stacks").is_dir()
            if not is_inside_clone and any((directory / folder).is_dir() for folder in ENVIRONMENTS):
                return cls(directory)
        parents = "" if configured else " or the folders above it"
        raise InputError(
            f"cannot find a project: neither {' nor '.join(f'{folder}/' for folder in ENVIRONMENTS)} "
            f"in {first}{parents}",
            remedy="create one with `toolkit new DIR`, change to its folder, or set TOOLKIT_PROJECT to it",
        )

    @property
    def is_clone(self) -> bool:
        """Whether it is a clone of the toolkit's repository."""
        return (self.root / "terraform" / "stacks").is_dir()

    @property
    def code(self) -> Path:
        """Folder of the code that is deployed: `terraform`, `lambda_src`, `policies`, `requirements`."""
        return self.root if self.is_clone else own_code()

    @property
    def environments(self) -> Path:
        """Folder of the environment files."""
        folders = [self.root / folder for folder in ENVIRONMENTS]
        return next(filter(Path.is_dir, folders), folders[0])

    def environment_file(self, name: str) -> Path:
        """The file of environment `name`; it may not exist."""
        return self.environments / f"{name}.yaml"

    @property
    def terraform(self) -> Path:
        """Folder in which Terraform runs: `stacks`, and the `modules` that they call.

        Terraform writes into a stack's folder, so a team's repository has a copy of the package's. The path
        of the Lambda packages relative to a stack is in the state, and the same in both kinds of project.
        """
        return self.root / ("terraform" if self.is_clone else ".toolkit")

    def stack(self, name: str) -> Path:
        """Folder of a Terraform stack, `account` or `inference`."""
        return self.terraform / "stacks" / name

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


def own_code() -> Path:
    """Folder of the code that the installed package brings; see `Project.code`."""
    bundle = _PACKAGE / "bundle"
    # An editable installation has none: its code is in the clone that it was installed from.
    return bundle if bundle.is_dir() else _PACKAGE.parent


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
