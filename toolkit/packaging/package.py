"""Build a function's package from source and dependencies, if one of them has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import StringConstraints

from toolkit import documents
from toolkit.console import Console
from toolkit.errors import InputError
from toolkit.files import write_atomic
from toolkit.packaging import archive
from toolkit.packaging.dependencies import Dependencies

# The Lambda Web Adapter starts this script at the package's root.
START_SCRIPT = "run.sh"


@dataclass(frozen=True)
class Package:
    """A built package.

    Attributes:
        path: the zip file.
        sha256: its hex digest.
    """

    path: Path
    sha256: str


@dataclass(frozen=True)
class _BuildRecord:
    """Digest of a package's inputs, and the package's own."""

    inputs: str
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def build_package(  # noqa: PLR0913, PLR0917 the parts of a package, and where it goes
    source: Path,
    sources: Mapping[str, bytes],
    directory: Path,
    dependencies: Dependencies | None,
    console: Console,
    others: Mapping[str, bytes] = MappingProxyType({}),
) -> Package:
    """Build `<directory>/<name of source>-<digest>.zip`, named by its content.

    Content-addressed names let the packages of earlier releases stay next to the current ones.

    Args:
        source: folder of the function's Python package; a `run.sh` in it goes to the zip's root.
        sources: contents of the source files of all functions, by path.
        directory: folder for the zip.
        dependencies: packages to include.
        others: contents of further files to include, by name.

    Raises:
        InputError: `source` contains no Python.
        PreflightError: pip could not fetch the dependencies.
    """
    build_record = directory / f"{source.name}.json"
    files = {**_source_files(source, sources), **others}
    inputs = _digest(files, dependencies.digest if dependencies else "")
    built = _up_to_date(build_record, inputs)
    if built is not None:
        return built
    if dependencies is not None:
        files = {**dependencies.files(console), **files}
    directory.mkdir(parents=True, exist_ok=True)
    # Environments that are planned at the same time may need different dependencies.
    fresh = directory / f"{source.name}-{inputs[:12]}.partial.zip"
    archive.write(fresh, files, executable=frozenset({START_SCRIPT}))
    package = _package(build_record, hashlib.sha256(fresh.read_bytes()).hexdigest())
    fresh.replace(package.path)
    write_atomic(build_record, json.dumps(asdict(_BuildRecord(inputs, package.sha256))))
    return package


def _source_files(source: Path, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    prefix = f"{source.name}/"
    files = {
        name: content
        for name, content in sources.items()
        if name.startswith(prefix) and name.endswith((".py", ".json"))
    }
    if not files:
        raise InputError("cannot build a Lambda package: no Python source", where=str(source))
    start = sources.get(prefix + START_SCRIPT)
    return files if start is None else {**files, START_SCRIPT: start}


def _digest(files: dict[str, bytes], dependencies: str) -> str:
    # The code that builds a package is one of its inputs.
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(archive.__file__).read_bytes())
    digest.update(dependencies.encode())
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return digest.hexdigest()


def _package(build_record: Path, sha256: str) -> Package:
    return Package(package_file(build_record.parent, build_record.stem, sha256), sha256)


def package_file(directory: Path, function: str, sha256: str) -> Path:
    """Path of a function's package with this content."""
    return directory / package_name(function, sha256)


def package_name(function: str, sha256: str) -> str:
    """The file name of a function's package with this content."""
    return f"{function}-{sha256[:12]}.zip"


def _up_to_date(build_record: Path, inputs: str) -> Package | None:
    """The package that a build record describes, if it was built from `inputs` and is unchanged."""
    try:
        recorded = documents.parse(documents.load(build_record), _BuildRecord)
        package = _package(build_record, recorded.sha256)
        sha256 = hashlib.sha256(package.path.read_bytes()).hexdigest()
    except (OSError, documents.DamagedError):
        return None
    return package if recorded == _BuildRecord(inputs, sha256) else None
