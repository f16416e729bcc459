"""Build a function's package from source and dependencies, if one of them has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.console import Console
from toolkit.errors import InputError
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


def build_package(
    source: Path,
    sources: Mapping[str, bytes],
    directory: Path,
    dependencies: Dependencies | None,
    console: Console,
) -> Package:
    """Build `<directory>/<name of source>-<digest>.zip`, named by its content.

    Content-addressed names let the packages of earlier releases stay next to the current ones.

    Args:
        source: folder of the function's Python package; a `run.sh` in it goes to the zip's root.
        sources: contents of the source files of all functions, by path.
        directory: folder for the zip.
        dependencies: packages to include.

    Raises:
        InputError: `source` contains no Python.
        PreflightError: pip could not fetch the dependencies.
    """
    note = directory / f"{source.name}.json"
    files = _source_files(source, sources)
    inputs = _digest(files, dependencies.digest if dependencies else "")
    built = _up_to_date(note, inputs)
    if built is not None:
        return built
    if dependencies is not None:
        files = {**dependencies.files(console), **files}
    directory.mkdir(parents=True, exist_ok=True)
    fresh = directory / f"{source.name}.zip"
    archive.write(fresh, files, executable=frozenset({START_SCRIPT}))
    package = _package(note, hashlib.sha256(fresh.read_bytes()).hexdigest())
    fresh.replace(package.path)
    note.write_text(json.dumps({"inputs": inputs, "sha256": package.sha256}))
    return package


def _source_files(source: Path, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    prefix = f"{source.name}/"
    files = {
        name: content for name, content in sources.items() if name.startswith(prefix) and name.endswith(".py")
    }
    if not files:
        raise InputError("no Python source of a Lambda function here", where=str(source))
    start = sources.get(prefix + START_SCRIPT)
    return files if start is None else {**files, START_SCRIPT: start}


def _digest(files: dict[str, bytes], dependencies: str) -> str:
    # The toolkit's own way of building is an input like any other.
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(archive.__file__).read_bytes())
    digest.update(dependencies.encode())
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return digest.hexdigest()


def _package(note: Path, sha256: str) -> Package:
    return Package(package_file(note.parent, note.stem, sha256), sha256)


def package_file(directory: Path, function: str, sha256: str) -> Path:
    """Where the package of a function with this content is kept."""
    return directory / package_name(function, sha256)


def package_name(function: str, sha256: str) -> str:
    """The file name of a function's package with this content."""
    return f"{function}-{sha256[:12]}.zip"


def _up_to_date(note: Path, inputs: str) -> Package | None:
    """The package that `note` describes, if it was built from `inputs` and is unchanged."""
    try:
        known = json.loads(note.read_text())
        package = _package(note, known["sha256"])
        sha256 = hashlib.sha256(package.path.read_bytes()).hexdigest()
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return package if known == {"inputs": inputs, "sha256": sha256} else None
