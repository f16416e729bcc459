"""The files that make up a model's weights, and where they are taken from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolkit.staging import digests
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction


@dataclass(frozen=True)
class WeightFile:
    """One file, as it must be.

    Attributes:
        name: its path below the model's prefix, with slashes.
        size: bytes.
        sha256: hex digest of its content; None if only `git_blob_id` is known.
        git_blob_id: git's id of its content: how the hub knows files that are not in Git LFS.
    """

    name: str
    size: int
    sha256: str | None
    git_blob_id: str | None = None

    def is_at(self, path: Path) -> bool:
        """Whether a file on this machine is this one, to the last byte."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        if self.sha256 is not None:
            return digests.sha256(path) == self.sha256
        return digests.git_blob_id(path) == self.git_blob_id


class Origin(Protocol):
    """Where weights are taken from. `fetch` and `release` are called from several threads."""

    @property
    def revision(self) -> str | None:
        """The commit that `files` are of, where there are commits."""
        ...

    @property
    def remote(self) -> bool:
        """Whether files have to be downloaded."""
        ...

    def files(self) -> list[WeightFile]:
        """What there is."""
        ...

    def fetch(self, file: WeightFile, direction: Direction, cancel: CancelToken) -> Path:
        """Have a file on this machine, verified.

        Args:
            file: one of `files`.
            direction: told of bytes that come in, or were here before.
            cancel: ends the work.
        """
        ...

    def release(self, file: WeightFile) -> None:
        """The file is in the model store: what was only here on the way there may go."""
        ...
