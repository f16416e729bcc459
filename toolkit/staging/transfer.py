"""Bringing weights into the model store: several files at once, and nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime

from toolkit.aws.access import AwsAccess
from toolkit.console import Console, Progress
from toolkit.errors import InterruptedByUserError, PreflightError
from toolkit.staging.addresses import StagedModel
from toolkit.staging.cancellation import CancelToken, DaemonThreads
from toolkit.staging.manifest import Manifest, StoredFile
from toolkit.staging.progress import TransferProgress
from toolkit.staging.store import ModelStore
from toolkit.staging.weights import WeightFile

# While one file is uploaded the next is downloaded; more would need more room on the disk.
FILES_AT_ONCE = 3
# botocore keeps ten connections.
PARTS_AT_ONCE = 8


@dataclass(frozen=True)
class Staged:
    """The outcome for one model.

    Attributes:
        manifest: what lies in the model store.
        uploaded: how many files were sent now.
    """

    manifest: Manifest
    uploaded: int


def upload(access: AwsAccess, staged: Mapping[str, StagedModel], console: Console) -> int:
    """See that all weights are in the model store before anything refers to them.

    Weights of this machine are uploaded if they are missing; those of the hub, which take long and may need
    a token, must have been staged before.

    Returns:
        The number of files uploaded.

    Raises:
        PreflightError: weights of the hub are not in the model store.
        InterruptedByUserError: Ctrl-C.
    """
    missing = [model for model in staged.values() if ModelStore(access, model).manifest() is None]
    for model in missing:
        if model.origin.remote:
            raise PreflightError(
                f"the weights of {model.name} are not in the model store",
                where=model.uri,
                remedy=f"run `{model.command}`",
            )
    return sum(stage(access, model, console).uploaded for model in missing)


def stage(access: AwsAccess, model: StagedModel, console: Console) -> Staged:
    """Bring a model's weights into the model store, as far as they are not there, and write the manifest.

    Raises:
        InputError: the source does not exist, or changed meanwhile.
        PreflightError: the source cannot be reached, is damaged, or there is no room for it.
        InterruptedByUserError: Ctrl-C; what was transferred is kept.
        botocore.exceptions.ClientError: S3 refused.
    """
    store = ModelStore(access, model)
    store.check()
    manifest = store.manifest()
    if manifest is not None:
        return Staged(manifest, 0)
    with console.progress(f"staging {model.name}") as progress:
        try:
            stored = _Transfer(store, model, progress).run()
        except KeyboardInterrupt:
            raise InterruptedByUserError(
                f"stopped staging {model.name}; what was transferred is kept",
                remedy=f"`{model.command}` goes on where it stopped",
            ) from None
    manifest = Manifest(
        model=model.name,
        uri=model.uri,
        source=model.source.model_dump(mode="json"),
        revision=model.origin.revision,
        files=tuple(file for file, _ in stored),
        staged_at=datetime.now(UTC).isoformat(timespec="seconds"),
        staged_by=access.sts.get_caller_identity()["Arn"],
    )
    store.write_manifest(manifest)
    return Staged(manifest, sum(new for _, new in stored))


class _Transfer:
    def __init__(self, store: ModelStore, model: StagedModel, progress: Progress) -> None:
        self._store = store
        self._origin = model.origin
        self._files = model.origin.files()
        self._cancel = CancelToken()
        directions = ["downloaded", "uploaded"] if model.origin.remote else ["uploaded"]
        self._progress = TransferProgress(
            progress, len(self._files), sum(file.size for file in self._files), directions
        )

    def run(self) -> list[tuple[StoredFile, bool]]:
        """Transfer all files; the first failure ends the others.

        Returns:
            Each file as stored, and whether it was sent now.
        """
        with DaemonThreads(PARTS_AT_ONCE, "part") as parts, DaemonThreads(FILES_AT_ONCE, "file") as pool:
            futures = [pool.submit(self._bring, file, parts) for file in self._files]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._cancel.cancel()
                for future in futures:
                    future.cancel()
                raise
        return [future.result() for future in futures]

    def _bring(self, file: WeightFile, parts: Executor) -> tuple[StoredFile, bool]:
        self._cancel.check()
        there = self._store.holds(file)
        if there is None:
            path = self._origin.fetch(file, self._progress.directions[0], self._cancel)
            stored = self._store.put(file, path, parts, self._progress.directions[-1], self._cancel)
        else:
            stored = there
            for direction in self._progress.directions:
                direction.skipped(file.size)
        self._origin.release(file)
        self._progress.file_done()
        return stored, there is None
