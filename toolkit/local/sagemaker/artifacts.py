"""A model's files: from S3 into a directory, as SageMaker does before it starts a container."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toolkit.local.controlplane import s3
from toolkit.local.sagemaker.exceptions import ArtifactError, RoleDeniedError

# Raises RoleDeniedError unless the model's role may do an action on a resource, with these condition keys.
Require = Callable[[str, str, Mapping[str, str]], None]


def materialise(container: Mapping[str, Any], directory: Path, require: Require) -> Path:
    """Put the files of a container's model into a directory; blocks for as long as that takes.

    Args:
        container: a ContainerDefinition, with `ModelDataSource` or `ModelDataUrl` or neither.
        directory: folder of all models; a model of the same content is already there, and is used again.
        require: checks what the model's execution role may read.

    Returns:
        The model's own folder; its files must not be changed.

    Raises:
        ArtifactError: see there.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None:
        uri, compressed = source["S3Uri"], source["CompressionType"] == "Gzip"
        prefix = source["S3DataType"] == "S3Prefix" and not compressed
    elif container.get("ModelDataUrl"):
        uri, compressed, prefix = container["ModelDataUrl"], True, False
    else:
        uri, compressed, prefix = None, False, False
    found = _find(uri, prefix) if uri else {}
    if uri:
        _check_access(uri, found.values(), require, listed=prefix)
    target = directory / _digest(found, compressed)
    if not target.is_dir():
        _fill(target, found, compressed)
    return target


def _find(uri: str, prefix: bool) -> dict[str, s3.FileKey]:
    """The S3 objects of a model, by their paths below the model directory."""
    parts = urlsplit(uri)
    key = parts.path.removeprefix("/")
    try:
        matching = s3.find_objects(parts.netloc, key)
    except LookupError as error:
        raise ArtifactError(f"Could not find model data at {uri}: {error.args[0]}.") from error
    if prefix:
        found = {object_.name[len(key) :]: object_ for object_ in matching}
        # Consoles make such objects to show a folder.
        found = {path: object_ for path, object_ in found.items() if path and not path.endswith("/")}
    else:
        found = {Path(key).name: object_ for object_ in matching if object_.name == key}
    if not found:
        raise ArtifactError(f"Could not find model data at {uri}.")
    return found


def _check_access(uri: str, found: Iterable[s3.FileKey], require: Require, *, listed: bool) -> None:
    parts = urlsplit(uri)
    bucket = f"arn:aws:s3:::{parts.netloc}"
    try:
        if listed:
            require("s3:ListBucket", bucket, {"s3:prefix": parts.path.removeprefix("/")})
        for object_ in found:
            require("s3:GetObject", f"{bucket}/{object_.name}", {})
    except RoleDeniedError as error:
        raise ArtifactError(f"Could not access model data at {uri}. {error}") from error


def _digest(found: Mapping[str, s3.FileKey], compressed: bool) -> str:
    lines = [f"{path} {object_.etag} {object_.size}" for path, object_ in sorted(found.items())]
    return hashlib.sha256("\n".join([str(compressed), *lines]).encode()).hexdigest()[:24]


def _fill(target: Path, found: Mapping[str, s3.FileKey], compressed: bool) -> None:
    partial = target.with_name(f"{target.name}.{os.urandom(4).hex()}.partial")
    partial.mkdir(parents=True)
    try:
        for path, object_ in found.items():
            file = (partial / path).resolve()
            if not file.is_relative_to(partial.resolve()):
                raise ArtifactError(f"The key {object_.name} leads out of the model directory.")
            file.parent.mkdir(parents=True, exist_ok=True)
            _place(object_, file)
            if compressed:
                _unpack(file, partial)
        # Two variants with the same model may be here at once; either result is as good.
        with contextlib.suppress(OSError):
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _place(object_: s3.FileKey, file: Path) -> None:
    if object_.file is not None:
        # No second copy of the weights; the object may be deleted and the model goes on.
        os.link(object_.file, file)
    else:
        file.write_bytes(object_.value)


def _unpack(archive: Path, directory: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data")
    except (tarfile.TarError, OSError) as error:
        raise ArtifactError(f"Could not unpack the model data {archive.name}: {error}.") from error
    archive.unlink()
