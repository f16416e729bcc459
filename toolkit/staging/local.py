"""Local weights: a file in a Python package, or a path."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.environment import PackageSource, PathSource
from toolkit.errors import InputError
from toolkit.staging import digests
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction
from toolkit.staging.weights import Select, WeightFile


@dataclass(frozen=True)
class LocalFiles:
    """Local weight files and their digests.

    Attributes:
        paths: files by name below the model's prefix.
        digests: SHA-256 of each.
    """

    paths: Mapping[str, Path]
    digests: Mapping[str, str]

    @classmethod
    def of(
        cls, source: PackageSource | PathSource, root: Path, where: str, select: Select = list
    ) -> LocalFiles:
        """Find and hash the files of a source.

        Args:
            source: the source in the environment file.
            root: base of relative paths.
            where: the source in the environment file.
            select: selects files by their names.

        Raises:
            InputError: the package or path does not exist.
        """
        paths = paths_of(source, root, where)
        paths = {name: paths[name] for name in select(paths)}
        return cls(paths, {name: digests.sha256(path) for name, path in paths.items()})

    @property
    def revision(self) -> None:
        """None: local files have no commit."""

    @property
    def remote(self) -> bool:
        """Always false: the files are local."""
        return False

    def files(self) -> list[WeightFile]:
        """The files, by name."""
        return [
            WeightFile(name, path.stat().st_size, self.digests[name])
            for name, path in sorted(self.paths.items())
        ]

    def fetch(self, file: WeightFile, direction: Direction, cancel: CancelToken) -> Path:  # noqa: ARG002
        """The file, if unchanged.

        Raises:
            InputError: it has changed since it was hashed, and with it its address.
        """
        path = self.paths[file.name]
        if not file.is_at(path):
            raise InputError(f"{path} has changed during the command", remedy="run the command again")
        return path

    def release(self, file: WeightFile) -> None:
        """Keep the file: it belongs to the user."""


def paths_of(source: PackageSource | PathSource, root: Path, where: str) -> dict[str, Path]:
    """The files of a source by their names, without reading them.

    Args:
        source: the source in the environment file.
        root: base of relative paths.
        where: the source in the environment file.

    Raises:
        InputError: the package or path does not exist.
    """
    if isinstance(source, PathSource):
        return _files_of_path(root / source.path, where)
    path = _file_of_package(source, where)
    return {path.name: path}


def _file_of_package(source: PackageSource, where: str) -> Path:
    try:
        files = importlib.metadata.files(source.package) or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"the Python package {source.package} is not installed",
            where=where,
            remedy="run `make setup` (requirements/model.txt), or install the package without dependencies",
        ) from None
    for file in files:
        if file.name == source.file:
            return Path(str(file.locate()))
    raise InputError(f"the package {source.package} has no file {source.file}", where=where)


def _files_of_path(path: Path, where: str) -> dict[str, Path]:
    if path.is_file():
        return {path.name: path}
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
    if not files:
        raise InputError(
            f"{path} {'is an empty folder' if path.is_dir() else 'does not exist'}",
            where=f"{where}.path",
            remedy="set `path` to the weights, relative to the project",
        )
    return {file.relative_to(path).as_posix(): file for file in files}
