"""Weights of the Hugging Face hub, downloaded with the operator's own access.

`huggingface_hub` finds the token, lists files, explains refusals and knows what it has cached. Its own
downloads are not used: it begins a file anew that another process had begun, and a single file of a
model can have 50 GB.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from toolkit.errors import PreflightError
from toolkit.project import cache_dir
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction, size_text
from toolkit.staging.weights import WeightFile

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_LISTING_SECONDS = 30


class HubRepository:
    """A model's repository on the hub, at one revision.

    Args:
        name: `owner/name`.
        revision: the commit.
        patterns: of the names of the files wanted; None chooses by itself.
        where: the source in the environment file.
    """

    def __init__(self, name: str, revision: str, patterns: Sequence[str] | None, where: str) -> None:
        self._name = name
        self._wanted_revision = revision
        self._patterns = patterns
        self._where = where
        self._commit: str | None = None

    @property
    def revision(self) -> str | None:
        """The commit; None before the files were listed."""
        return self._commit

    @property
    def remote(self) -> bool:
        """They have to be downloaded."""
        return True

    def files(self) -> list[WeightFile]:
        """The files wanted, by name, as the hub describes them.

        Raises:
            InputError: there is no such repository, revision or file.
            PreflightError: the hub does not let us in, or does not answer.
        """
        from huggingface_hub import HfApi

        from toolkit.staging import selection

        with self._explained():
            info = HfApi().model_info(
                self._name, revision=self._wanted_revision, files_metadata=True, timeout=_LISTING_SECONDS
            )
        self._commit = info.sha
        there = {sibling.rfilename: sibling for sibling in info.siblings or []}
        wanted = selection.choose(self._name, list(there), self._patterns, f"{self._where}.files")
        return [self._weight_file(there[name]) for name in wanted]

    def fetch(self, file: WeightFile, direction: Direction, cancel: CancelToken) -> Path:
        """Have a file here: from huggingface_hub's cache, from an earlier attempt, or downloaded.

        Raises:
            PreflightError: the hub does not let us in or does not answer, sends something else than it
                says, or there is no space left.
        """
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self._name, file.name, revision=self._commit)
        whole = self._place("whole", file)
        for path in [Path(cached), whole] if isinstance(cached, str) else [whole]:
            if file.is_at(path):
                direction.skipped(file.size)
                return path
        partial = self._place("partial", file)
        with self._explained(), self._alone(partial, file):
            self._download(file, partial, direction, cancel)
            whole.parent.mkdir(parents=True, exist_ok=True)
            return partial.rename(whole)

    def release(self, file: WeightFile) -> None:
        """Remove our copy, and folders that are empty without it."""
        whole = self._place("whole", file)
        whole.unlink(missing_ok=True)
        for path in (whole, self._place("partial", file)):
            for parent in path.relative_to(_root()).parents:
                # The first that is not empty ends it.
                with contextlib.suppress(OSError):
                    (_root() / parent).rmdir()

    def _explained(self) -> AbstractContextManager[None]:
        from toolkit.staging.hub_errors import explained

        return explained(self._name, self._wanted_revision, self._where)

    def _weight_file(self, sibling: RepoSibling) -> WeightFile:
        name, lfs = sibling.rfilename, sibling.lfs
        if PurePosixPath(name).is_absolute() or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise PreflightError(f"{self._name} has a file with the name {name!r}", where=self._where)
        if lfs is not None:
            return WeightFile(name, lfs.size, lfs.sha256)
        if sibling.size is None or sibling.blob_id is None:
            raise PreflightError(f"the hub does not say what {name} of {self._name} is")
        return WeightFile(name, sibling.size, None, sibling.blob_id)

    def _download(self, file: WeightFile, partial: Path, direction: Direction, cancel: CancelToken) -> None:
        from huggingface_hub import hf_hub_url

        from toolkit.staging import download

        url = hf_hub_url(self._name, file.name, revision=self._commit)
        # What an earlier attempt left may be damaged, for example by a power failure: then once more.
        for _ in range(2):
            begun = partial.stat().st_size
            direction.skipped(begun)
            missing, free = file.size - begun, shutil.disk_usage(partial.parent).free
            if missing > free:
                raise PreflightError(
                    f"{file.name} needs {size_text(missing)} more, {size_text(free)} are free",
                    where=str(partial.parent),
                    remedy="make room, or set TOOLKIT_CACHE_DIR to a folder on another disk",
                )
            download.resume(url, partial, file.size, direction, cancel)
            if file.is_at(partial):
                return
            direction.skipped(-partial.stat().st_size)
            partial.write_bytes(b"")
        raise PreflightError(
            f"what the hub sends as {file.name} of {self._name} is damaged: it is not what the hub says",
            details=[f"expected: {file.sha256 or file.git_blob_id}"],
            remedy="try again later, or ask the owner of the repository",
        )

    @contextlib.contextmanager
    def _alone(self, partial: Path, file: WeightFile) -> Iterator[None]:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PreflightError(
                    f"another process downloads {file.name} of {self._name} just now",
                    remedy="wait until it has ended",
                ) from None
            yield

    def _place(self, state: str, file: WeightFile) -> Path:
        repository = self._name.replace("/", "--")
        return _root() / repository / str(self._commit) / state / file.name


def _root() -> Path:
    return cache_dir() / "hub"
