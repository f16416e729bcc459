"""Weights from the Hugging Face hub, downloaded with the operator's credentials.

`huggingface_hub` finds the token, lists files, raises typed errors and has a cache. Its own downloads are
not used, because they restart a file that another process had begun (ADR 9).
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field, StringConstraints

from toolkit import documents
from toolkit.errors import PreflightError
from toolkit.project import cache_dir
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.progress import Direction, size_text
from toolkit.staging.weights import Select, WeightFile

_LISTING_SECONDS = 30


_Size = Annotated[int, Field(ge=0)]
_Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


@dataclass(frozen=True)
class _Lfs:
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    size: _Size


@dataclass(frozen=True)
class _Sibling:
    rfilename: str
    size: _Size | None = None
    blobId: _Sha1 | None = None  # noqa: N815 - the hub's name
    lfs: _Lfs | None = None


@dataclass(frozen=True)
class _Listing:
    """The hub's description of a model, as far as it is used."""

    sha: _Sha1
    siblings: tuple[_Sibling, ...] = ()


class HubRepository:
    """A model repository on the hub at one revision.

    Args:
        name: `owner/name`.
        revision: the commit.
        patterns: file name patterns; None selects by default rules.
        where: the source in the environment file.
        select: selects files by their names, of those that match.
    """

    def __init__(
        self,
        name: str,
        revision: str,
        patterns: Sequence[str] | None,
        where: str,
        select: Select = list,
    ) -> None:
        self._name = name
        self._wanted_revision = revision
        self._patterns = patterns
        self._where = where
        self._select = select
        self._commit: str | None = None

    @property
    def revision(self) -> str | None:
        """The commit; None until the files are listed."""
        return self._commit

    @property
    def remote(self) -> bool:
        """Always true: the files must be downloaded."""
        return True

    def files(self) -> list[WeightFile]:
        """The selected files, sorted by name, with size and digest from the hub.

        Raises:
            InputError: the repository, revision or file does not exist.
            PreflightError: the hub denies access or is unreachable.
        """
        from toolkit.staging import selection

        with self._explained():
            listing = self._listing()
        self._commit = listing.sha
        siblings = {sibling.rfilename: sibling for sibling in listing.siblings}
        selected = selection.choose(self._name, list(siblings), self._patterns, f"{self._where}.files")
        files = {name: self._weight_file(siblings[name]) for name in selected}
        return [files[name] for name in self._select(files)]

    def fetch(self, file: WeightFile, direction: Direction, cancel: CancelToken) -> Path:
        """Provide a file: from huggingface_hub's cache, from an earlier attempt, or by download.

        Raises:
            PreflightError: the hub denies access, is unreachable or sends corrupt data, or the disk is full.
        """
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(self._name, file.name, revision=self._commit)
        complete = self._path("whole", file)
        for path in [Path(cached), complete] if isinstance(cached, str) else [complete]:
            if file.is_at(path):
                direction.skipped(file.size)
                return path
        partial = self._path("partial", file)
        with self._explained(), self._exclusive(partial, file):
            self._download(file, partial, direction, cancel)
            complete.parent.mkdir(parents=True, exist_ok=True)
            return partial.rename(complete)

    def release(self, file: WeightFile) -> None:
        """Delete the downloaded copy and empty parent folders."""
        complete = self._path("whole", file)
        complete.unlink(missing_ok=True)
        for path in (complete, self._path("partial", file)):
            for parent in path.relative_to(_root()).parents:
                # rmdir fails on folders that are not empty.
                with contextlib.suppress(OSError):
                    (_root() / parent).rmdir()

    def _explained(self) -> AbstractContextManager[None]:
        from toolkit.staging.hub_errors import explained

        return explained(self._name, self._wanted_revision, self._where)

    def _listing(self) -> _Listing:
        """The answer to the request of `HfApi.model_info`, which does not check it."""
        from huggingface_hub import constants, get_session, hf_raise_for_status
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented there
            build_hf_headers,
            validate_repo_id,
        )

        validate_repo_id(self._name)
        revision = urllib.parse.quote(self._wanted_revision, safe="")
        response = get_session().get(
            f"{constants.ENDPOINT}/api/models/{self._name}/revision/{revision}",
            params={"blobs": True},
            headers=build_hf_headers(),
            timeout=_LISTING_SECONDS,
        )
        hf_raise_for_status(response)
        error = PreflightError(
            "not a Hugging Face hub", where=constants.ENDPOINT, remedy="check the network and HF_ENDPOINT"
        )
        return documents.read(response.content, _Listing, error)

    def _weight_file(self, sibling: _Sibling) -> WeightFile:
        name, lfs = sibling.rfilename, sibling.lfs
        if PurePosixPath(name).is_absolute() or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise PreflightError(f"cannot stage {self._name}: unsafe file name {name!r}", where=self._where)
        if lfs is not None:
            return WeightFile(name, lfs.size, lfs.sha256)
        if sibling.size is None or sibling.blobId is None:
            raise PreflightError(f"cannot stage {self._name}: the hub lists {name} without size or digest")
        return WeightFile(name, sibling.size, None, sibling.blobId)

    def _download(self, file: WeightFile, partial: Path, direction: Direction, cancel: CancelToken) -> None:
        from huggingface_hub import hf_hub_url

        from toolkit.staging import download

        url = hf_hub_url(self._name, file.name, revision=self._commit)
        # A partial file may be corrupt, for example after a power failure: then start over once.
        for _ in range(2):
            offset = partial.stat().st_size
            direction.skipped(offset)
            missing, free = file.size - offset, shutil.disk_usage(partial.parent).free
            if missing > free:
                raise PreflightError(
                    f"cannot download {file.name}: {size_text(missing)} needed, {size_text(free)} free",
                    where=str(partial.parent),
                    remedy="free disk space, or set TOOLKIT_CACHE_DIR to a folder on another disk",
                )
            download.resume(url, partial, file.size, direction, cancel)
            if file.is_at(partial):
                return
            direction.skipped(-partial.stat().st_size)
            partial.write_bytes(b"")
        raise PreflightError(
            f"cannot stage {self._name}: the hub sends {file.name} with a wrong digest",
            details=[f"expected: {file.sha256 or file.git_blob_id}"],
            remedy="retry later, or contact the owner of the repository",
        )

    @contextlib.contextmanager
    def _exclusive(self, partial: Path, file: WeightFile) -> Iterator[None]:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("ab") as lock:
            try:
                # On the file itself, which a lock file of filelock could outlive or precede.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PreflightError(
                    f"another process is downloading {file.name} of {self._name}",
                    remedy="wait for it to end",
                ) from None
            yield

    def _path(self, state: str, file: WeightFile) -> Path:
        repository = self._name.replace("/", "--")
        return _root() / repository / str(self._commit) / state / file.name


def _root() -> Path:
    return cache_dir() / "hub"
