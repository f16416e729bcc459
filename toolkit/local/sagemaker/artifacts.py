"""A model's files, copied from S3 into a directory before a container starts."""

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

# Raises RoleDeniedError unless the model's role allows an action on a resource, with these condition keys.
Require = Callable[[str, str, Mapping[str, str]], None]


def materialize(container: Mapping[str, Any], directory: Path, require: Require) -> Path:
    """Copy the files of a container's model into a directory; blocks.

    Args:
        container: a ContainerDefinition, with `ModelDataSource` or `ModelDataUrl` or neither.
        directory: directory of all models; models of the same content share their files.
        require: checks the permissions of the model's execution role.

    Returns:
        The model's own directory; its files must not be changed.

    Raises:
        ArtifactError: the model's files are missing or cannot be used.
    """
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None:
        uri, compressed = source["S3Uri"], source["CompressionType"] == "Gzip"
        prefix = source["S3DataType"] == "S3Prefix" and not compressed
    elif container.get("ModelDataUrl"):
        uri, compressed, prefix = container["ModelDataUrl"], True, False
    else:
        uri, compressed, prefix = None, False, False
    files = _find(uri, prefix) if uri else {}
    if uri:
        _check_access(uri, files.values(), require, is_prefix=prefix)
    target = directory / _digest(files, compressed)
    if not target.is_dir():
        _fill(target, files, compressed)
    return target


def _find(uri: str, prefix: bool) -> dict[str, s3.FileKey]:
    """The S3 objects of a model, by path in the model directory."""
    parts = urlsplit(uri)
    key = parts.path.removeprefix("/")
    try:
        matching = s3.find_objects(parts.netloc, key)
    except LookupError as error:
        raise ArtifactError(f"Could not find model data at {uri}: {error.args[0]}.") from error
    if prefix:
        files = {object_.name[len(key) :]: object_ for object_ in matching}
        # The S3 console creates objects that end in a slash to show a folder.
        files = {path: object_ for path, object_ in files.items() if path and not path.endswith("/")}
    else:
        files = {Path(key).name: object_ for object_ in matching if object_.name == key}
    if not files:
        raise ArtifactError(f"Could not find model data at {uri}.")
    return files


def _check_access(uri: str, files: Iterable[s3.FileKey], require: Require, *, is_prefix: bool) -> None:
    parts = urlsplit(uri)
    bucket = f"arn:aws:s3:::{parts.netloc}"
    try:
        if is_prefix:
            require("s3:ListBucket", bucket, {"s3:prefix": parts.path.removeprefix("/")})
        for object_ in files:
            require("s3:GetObject", f"{bucket}/{object_.name}", {})
    except RoleDeniedError as error:
        raise ArtifactError(f"Could not access model data at {uri}. {error}") from error


def _digest(files: Mapping[str, s3.FileKey], compressed: bool) -> str:
    lines = [f"{path} {object_.etag} {object_.size}" for path, object_ in sorted(files.items())]
    return hashlib.sha256("\n".join([str(compressed), *lines]).encode()).hexdigest()[:24]


def _fill(target: Path, files: Mapping[str, s3.FileKey], compressed: bool) -> None:
    partial = target.with_name(f"{target.name}.{os.urandom(4).hex()}.partial")
    partial.mkdir(parents=True)
    try:
        for path, object_ in files.items():
            file = (partial / path).resolve()
            if not file.is_relative_to(partial.resolve()):
                raise ArtifactError(f"The key {object_.name} points outside the model directory.")
            file.parent.mkdir(parents=True, exist_ok=True)
            _copy(object_, file)
            if compressed:
                _unpack(file, partial)
        # Two variants may copy the same model concurrently; either copy is good.
        with contextlib.suppress(OSError):
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(object_: s3.FileKey, file: Path) -> None:
    if object_.file is not None:
        # A hard link: no second copy of the weights, and the model survives the deletion of the object.
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
