"""Stage weights: transfer several files concurrently, each only once."""

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

# Downloads the next file while one is uploaded; more would need more disk space.
FILES_AT_ONCE = 3
# botocore's connection pool has ten connections.
PARTS_AT_ONCE = 8


@dataclass(frozen=True)
class Staged:
    """The result for one model.

    Attributes:
        manifest: the manifest in the model store.
        uploaded: number of files uploaded by this run.
    """

    manifest: Manifest
    uploaded: int


def upload(access: AwsAccess, staged: Mapping[str, StagedModel], console: Console) -> int:
    """Upload missing weights before Terraform refers to them.

    Only local weights are uploaded. Weights from the hub take long and may need a token, so they must be
    staged beforehand.

    Returns:
        The number of files uploaded.

    Raises:
        PreflightError: weights from the hub are not staged.
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
    """Transfer a model's missing weights to the model store and write the manifest.

    Raises:
        InputError: the source does not exist, or changed meanwhile.
        PreflightError: the source is unreachable or corrupt, or the disk is full.
        InterruptedByUserError: Ctrl-C; completed transfers are kept.
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
                f"staging {model.name} was interrupted; completed transfers are kept",
                remedy=f"resume with `{model.command}`",
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
        """Transfer all files; the first failure cancels the others.

        Returns:
            Each stored file, and whether this run uploaded it.
        """
        with DaemonThreads(PARTS_AT_ONCE, "part") as parts, DaemonThreads(FILES_AT_ONCE, "file") as pool:
            futures = [pool.submit(self._transfer_file, file, parts) for file in self._files]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._cancel.cancel()
                for future in futures:
                    future.cancel()
                raise
        return [future.result() for future in futures]

    def _transfer_file(self, file: WeightFile, parts: Executor) -> tuple[StoredFile, bool]:
        self._cancel.check()
        existing = self._store.holds(file)
        if existing is None:
            path = self._origin.fetch(file, self._progress.directions[0], self._cancel)
            stored = self._store.put(file, path, parts, self._progress.directions[-1], self._cancel)
        else:
            stored = existing
            for direction in self._progress.directions:
                direction.skipped(file.size)
        self._origin.release(file)
        self._progress.file_done()
        return stored, existing is None
