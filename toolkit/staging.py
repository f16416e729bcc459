"""Model weights into the model store: where they will lie, and the upload.

A model's weights lie under `s3://<model store>/<model>/<digest>/`. The digest is of the files' names and
contents, so that other weights are another address and with it another model in SageMaker, and an upload
that was done once is never done again.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.console import Console, Progress
from toolkit.environment import Environment, PackageSource, PathSource
from toolkit.errors import InputError
from toolkit.project import Project, cache_dir

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class StagedFile:
    """One file of a model's weights.

    Attributes:
        key: its object key in the model store.
        path: the file on this machine.
        sha256: hex digest of its content.
    """

    key: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class StagedModel:
    """The weights of one model that come from this machine.

    Attributes:
        uri: the S3 prefix they lie under, ending in a slash.
        bucket: the model store.
        files: what lies there.
    """

    uri: str
    bucket: str
    files: tuple[StagedFile, ...]


def locate(project: Project, environment: Environment) -> dict[str, StagedModel]:
    """Which models have weights on this machine, and the addresses these will have; uploads nothing.

    Raises:
        InputError: a package or path that the environment file names is not there.
    """
    staged = {}
    for name, model in environment.models.items():
        if isinstance(model.source, PackageSource):
            path = _file_of_package(model.source, environment, name)
            staged[name] = _staged(environment, name, {path.name: path})
        elif isinstance(model.source, PathSource):
            files = dict(_files_of_path(project.root / model.source.path, environment, name))
            staged[name] = _staged(environment, name, files)
    return staged


def upload(access: AwsAccess, staged: Mapping[str, StagedModel], console: Console) -> int:
    """Upload what the model store does not hold yet; returns the number of files uploaded."""
    uploaded = 0
    for name, model in staged.items():
        missing = [file for file in model.files if not _is_there(access, model.bucket, file)]
        if missing:
            with console.progress(f"staging {name}") as progress:
                for file in missing:
                    _upload_file(access, model.bucket, file, progress)
            uploaded += len(missing)
    return uploaded


def _file_of_package(source: PackageSource, environment: Environment, model: str) -> Path:
    where = f"{environment.file}: models.{model}.source"
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


def _files_of_path(path: Path, environment: Environment, model: str) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
    if not files:
        raise InputError(
            f"{path} is {'an empty folder' if path.is_dir() else 'neither a file nor a folder'}",
            where=f"{environment.file}: models.{model}.source.path",
            remedy="give the path of the weights, relative to the project",
        )
    for file in files:
        yield file.relative_to(path).as_posix(), file


def _staged(environment: Environment, model: str, files: Mapping[str, Path]) -> StagedModel:
    digests = {name: _sha256(path) for name, path in files.items()}
    digest = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]
    prefix = f"{model}/{digest}/"
    return StagedModel(
        uri=f"s3://{environment.model_store_bucket}/{prefix}",
        bucket=environment.model_store_bucket,
        files=tuple(
            StagedFile(key=prefix + name, path=path, sha256=digests[name])
            for name, path in sorted(files.items())
        ),
    )


def _sha256(path: Path) -> str:
    """Digest of a file, remembered for as long as the file is not touched: weights are large."""
    stat = path.stat()
    identity = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    memory = cache_dir() / "digests" / hashlib.sha256(identity.encode()).hexdigest()
    if memory.is_file():
        return memory.read_text()
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(digest)
    return digest


def _is_there(access: AwsAccess, bucket: str, file: StagedFile) -> bool:
    try:
        head = access.s3.head_object(Bucket=bucket, Key=file.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return head["ContentLength"] == file.path.stat().st_size and head["Metadata"].get("sha256") == file.sha256


def _upload_file(access: AwsAccess, bucket: str, file: StagedFile, progress: Progress) -> None:
    total = file.path.stat().st_size
    sent = 0

    def report(count: int) -> None:
        nonlocal sent
        sent += count
        progress.update(f"{file.path.name} {sent // MEBIBYTE} of {total // MEBIBYTE} MiB")

    access.s3.upload_file(
        str(file.path), bucket, file.key, Callback=report, ExtraArgs={"Metadata": {"sha256": file.sha256}}
    )
