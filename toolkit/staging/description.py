"""Descriptions of models among the files of their weights: `config.json` or a GGUF header, and sizes.

Files on this machine are read without a network: a path, a package, huggingface_hub's cache. Of the model
store, only the description is read, not the weights.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from toolkit import documents
from toolkit.aws import bodies
from toolkit.aws.access import AwsAccess
from toolkit.documents import DamagedError
from toolkit.environment import Environment, HubSource, PackageSource, PathSource, ResolvedVariant, S3Source
from toolkit.errors import InputError
from toolkit.files import require_file
from toolkit.project import Project
from toolkit.serving.engines import MODEL_DIRECTORY
from toolkit.serving.memory import Architecture, UnknownArchitectureError, Weights, config, gguf
from toolkit.staging import addresses, local

CONFIG = "config.json"
_INDEX = "model.safetensors.index.json"
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.(?:gguf|safetensors)$")


@dataclass(frozen=True)
class _Metadata:
    total_size: Annotated[float, Field(ge=0, le=2**60)] | None = None


@dataclass(frozen=True)
class _Index:
    """The index of a model's safetensors files, as far as it is used."""

    metadata: _Metadata | None = None


@dataclass(frozen=True)
class Description:
    """A model as its files describe it.

    Attributes:
        source: where the description comes from.
        architecture: the model; None if its memory cannot be computed.
        reason: why not.
        weights: size of the files of the weights.
    """

    source: str
    architecture: Architecture | None
    reason: str
    weights: Weights


@dataclass(frozen=True)
class _Files:
    """Files somewhere.

    Attributes:
        place: where they are.
        sizes: bytes by name.
        read: reads a number of bytes of a file from an offset.
    """

    place: str
    sizes: Mapping[str, int]
    read: Callable[[str, int, int], bytes]


def of_file(path: Path) -> Description:
    """The description in a file that the user names: a `config.json` or a GGUF file.

    Raises:
        InputError: the file cannot be read, or is neither.
    """
    require_file(path, "read the description of the model", str(path), "pass a config.json or a GGUF file")
    files = _on_disk({path.name: path}, str(path.parent))
    if files.read(path.name, 0, 4) == b"GGUF":
        parts = {file.name: file for file in _parts(path)}
        return _described(partial(_of_gguf, _on_disk(parts, str(path.parent)), path.name), str(path))
    neighbours = {file.name: file for file in path.parent.glob("*.safetensors*") if file.is_file()}
    files = _on_disk({path.name: path, **neighbours}, str(path.parent))
    return _described(partial(_of_config, files, path.name), str(path))


def at_hand(project: Project, environment: Environment, variant: ResolvedVariant) -> Description | None:
    """The description of a variant on this machine; None if its files are elsewhere.

    Raises:
        InputError: a package or path in the environment file does not exist, or its files are damaged.
    """
    source = variant.source
    if isinstance(source, PackageSource | PathSource):
        where = f"{environment.file}: {'.'.join(map(str, variant.path('source')))}"
        paths = local.paths_of(source, project.root, where)
        place = source.path if isinstance(source, PathSource) else f"the package {source.package}"
        return _of_files(_on_disk(paths, place), variant)
    if isinstance(source, HubSource):
        paths = _cached(source)
        if paths:
            return _of_files(_on_disk(paths, f"{source.hub} in the cache of huggingface_hub"), variant)
    return None


def in_store(
    access: AwsAccess, project: Project, environment: Environment, variant: ResolvedVariant
) -> Description | None:
    """The description of a variant in the model store; None if its files are not there.

    Raises:
        InputError: its files are damaged.
        botocore.exceptions.ClientError: access is denied.
    """
    source = variant.source
    if isinstance(source, S3Source) and not source.is_archive:
        bucket, _, prefix = source.s3.removeprefix("s3://").partition("/")
    elif isinstance(source, HubSource) and source.staged:
        model = addresses.locate_one(project, environment, variant)
        assert model is not None  # noqa: S101 - staged weights have an address
        bucket, prefix = model.bucket, model.prefix
    else:
        return None
    s3 = access.s3
    sizes: dict[str, int] = {}
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                sizes[item["Key"].removeprefix(prefix)] = item["Size"]
    except s3.exceptions.NoSuchBucket:
        return None

    def read(name: str, offset: int, size: int) -> bytes:
        size = min(size, sizes[name] - offset)
        if size <= 0:
            return b""
        span = f"bytes={offset}-{offset + size - 1}"
        return bodies.read(lambda: s3.get_object(Bucket=bucket, Key=prefix + name, Range=span))

    return _of_files(_Files(f"s3://{bucket}/{prefix}", sizes, read), variant) if sizes else None


def _of_files(files: _Files, variant: ResolvedVariant) -> Description | None:
    if variant.engine == "llama_cpp":
        name = _served_gguf(files, variant)
        if name is None:
            return None
        projector = str(variant.serving.flags().get("mmproj", "")).removeprefix(f"{MODEL_DIRECTORY}/")
        return _described(
            partial(_of_gguf, files, name, files.sizes.get(projector, 0)), f"{name} in {files.place}"
        )
    if CONFIG not in files.sizes:
        return None
    return _described(partial(_of_config, files, CONFIG), f"{CONFIG} in {files.place}")


def _described(read: Callable[[], Description], where: str) -> Description:
    try:
        return read()
    except DamagedError as damage:
        raise InputError(
            "cannot read the description of the model: not a config.json or a GGUF file, or damaged",
            where=where,
            details=[str(damage)],
            remedy="download the file again, or name another one with --config",
        ) from None


def _of_config(files: _Files, name: str) -> Description:
    content = files.read(name, 0, config.MAX_BYTES + 1)
    weights = _safetensors(files)
    try:
        return Description(f"{name} in {files.place}", config.read(content), "", weights)
    except UnknownArchitectureError as error:
        return Description(f"{name} in {files.place}", None, str(error), weights)


def _of_gguf(files: _Files, name: str, projector: int = 0) -> Description:
    numbered = _PART.search(name)
    names = [name]
    if numbered:
        stem = name.removesuffix(numbered[0])
        names = [other for other in files.sizes if other.startswith(stem) and _PART.search(other)]
        if len(names) != int(numbered[2]):
            names = []
    size = sum(files.sizes[part] for part in names)
    others = " and its other parts" if len(names) > 1 else ""
    others += " and its projector" if projector else ""
    weights = Weights(size + projector if size else 0, f"size of {name}{others}")
    try:
        return Description(f"{name} in {files.place}", gguf.read(partial(files.read, name)), "", weights)
    except UnknownArchitectureError as error:
        return Description(f"{name} in {files.place}", None, str(error), weights)


def _safetensors(files: _Files) -> Weights:
    """The size of the files that vLLM loads: without duplicates in other formats and folders."""
    names = [name for name in files.sizes if name.endswith(".safetensors") and "/" not in name]
    # Mistral's own format, next to that of transformers.
    loaded = [name for name in names if not name.startswith("consolidated")] or names
    parts = [match for name in loaded if (match := _PART.search(name))]
    if loaded and all(len(loaded) == int(part[2]) for part in parts):
        size = sum(files.sizes[name] for name in loaded)
        return Weights(size, f"size of {len(loaded)} safetensors {'files' if len(loaded) > 1 else 'file'}")
    if _INDEX in files.sizes and files.sizes[_INDEX] <= documents.MAX_BYTES:
        index = documents.parse(files.read(_INDEX, 0, documents.MAX_BYTES), _Index)
        if index.metadata is not None and index.metadata.total_size:
            return Weights(int(index.metadata.total_size), f"total_size in {_INDEX}")
    return Weights()


def _served_gguf(files: _Files, variant: ResolvedVariant) -> str | None:
    """The GGUF file that llama.cpp serves; None if it is not certain."""
    named = variant.serving.flags().get("model")
    if isinstance(named, str):
        return named if named in files.sizes else None
    names = sorted(name for name in files.sizes if name.endswith(".gguf") and "mmproj" not in name)
    first = [name for name in names if not (part := _PART.search(name)) or int(part[1]) == 1]
    return first[0] if len(first) == 1 else None


def _cached(source: HubSource) -> dict[str, Path]:
    """The files of a model in the cache of huggingface_hub.

    The folders are those that its documentation guarantees; importing it would take longer than the look-up.
    """
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub")
    repository = cache.expanduser() / f"models--{source.hub.replace('/', '--')}"
    revision = source.revision or "main"
    reference = repository / "refs" / revision
    if reference.is_file() and reference.stat().st_size < 100:
        revision = reference.read_text(encoding="utf-8", errors="replace").strip()
    snapshot = repository / "snapshots" / revision
    if "/" in revision or revision.startswith(".") or not snapshot.is_dir():
        return {}
    return {file.relative_to(snapshot).as_posix(): file for file in snapshot.rglob("*") if file.is_file()}


def _parts(path: Path) -> list[Path]:
    """A GGUF file and its other parts."""
    numbered = _PART.search(path.name)
    if not numbered:
        return [path]
    stem = path.name.removesuffix(numbered[0])
    return [file for file in path.parent.iterdir() if file.name.startswith(stem) and _PART.search(file.name)]


def _on_disk(paths: Mapping[str, Path], place: str) -> _Files:
    def read(name: str, offset: int, size: int) -> bytes:
        with paths[name].open("rb") as file:
            file.seek(offset)
            return file.read(size)

    return _Files(place, {name: path.stat().st_size for name, path in paths.items()}, read)
