"""The files of a model's weights, and the interface of their origins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolkit.staging import digests
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction


@dataclass(frozen=True)
class WeightFile:
    """The expected name, size and digest of a file.

    Attributes:
        name: its path below the model's prefix, with slashes.
        size: bytes.
        sha256: hex digest of its content; None if only `git_blob_id` is known.
        git_blob_id: git's object ID, which the hub lists for files outside Git LFS.
    """

    name: str
    size: int
    sha256: str | None
    git_blob_id: str | None = None

    def is_at(self, path: Path) -> bool:
        """Whether a local file has this content."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            return digests.sha256(path) == self.sha256
        return digests.git_blob_id(path) == self.git_blob_id


# Selects files by their names.
Select = Callable[[Iterable[str]], Sequence[str]]


class Origin(Protocol):
    """A source of weights. Several threads call `fetch` and `release`."""

    @property
    def revision(self) -> str | None:
        """The commit of the files, if the origin has commits."""
        ...

    @property
    def remote(self) -> bool:
        """Whether files must be downloaded."""
        ...

    def files(self) -> list[WeightFile]:
        """All files."""
        ...

    def fetch(self, file: WeightFile, direction: Direction, cancel: CancelToken) -> Path:
        """Provide a verified local copy of a file.

        Args:
            file: one of `files`.
            direction: counts bytes received, or already local.
            cancel: stops the download.
        """
        ...

    def release(self, file: WeightFile) -> None:
        """Delete temporary copies, after the file is in the model store."""
        ...
