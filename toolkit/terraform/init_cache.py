"""Skip `terraform init` while nothing it depends on has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from toolkit import documents
from toolkit.files import write_atomic
from toolkit.terraform import hcl
from toolkit.terraform.program import Program

# In Terraform's data directory, so that both are deleted together.
RECORD = "toolkit-init"
_RESOURCES = ("resource", "data", "ephemeral")


class _Backend(TypedDict):
    config: dict[str, Any]


class _Initialized(TypedDict):
    """Terraform's record of the last `init`."""

    backend: _Backend


def fingerprint(
    program: Program, stack: Path, backend_file: Path | None, environment: Mapping[str, str]
) -> str:
    """Digest of the inputs of `init`.

    Args:
        program: the Terraform program; another version may install other packages.
        stack: folder of the root module.
        backend_file: backend settings, None without a backend.
        environment: variables that select the backend and the provider sources.
    """
    parts: list[str] = [*program.argv, program.version, str(backend_file)]
    parts += [_digest(backend_file)] if backend_file else []
    parts += [f"{name}={value}" for name, value in sorted(environment.items())]
    lock = stack / ".terraform.lock.hcl"
    parts.append(_digest(lock) if lock.is_file() else "")
    for folder, statements in _modules(stack):
        parts += _requirements(folder, statements)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_current(data_directory: Path, fingerprint: str) -> bool:
    """Whether the last `init` had the same inputs and its provider packages still exist."""
    record = data_directory / RECORD
    if not record.is_file() or record.read_bytes() != fingerprint.encode():
        return False
    # Packages are links into a cache or mirror, which may have been deleted.
    packages = (data_directory / "providers").glob("*/*/*/*/*")
    return all(package.is_dir() for package in packages)


def remember(data_directory: Path, current: str) -> None:
    """Record a successful `init`."""
    write_atomic(data_directory / RECORD, current)


def forget(data_directory: Path) -> None:
    """Force the next `init` to run."""
    (data_directory / RECORD).unlink(missing_ok=True)


def state_location(data_directory: Path) -> str | None:
    """State location of the last `init`, "bucket/key" for S3; None if unknown."""
    try:
        record = documents.parse(documents.load(data_directory / "terraform.tfstate"), _Initialized)
    except (FileNotFoundError, documents.DamagedError):
        return None
    config = record["backend"]["config"]
    return "/".join(str(config[name]) for name in ("bucket", "path", "key") if config.get(name)) or None


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _modules(stack: Path) -> Iterator[tuple[Path, list[hcl.Statement]]]:
    """The root module and its local modules, transitively, each once, with their statements."""
    visited: set[Path] = set()
    waiting = [stack.resolve()]
    while waiting:
        folder = waiting.pop()
        if folder in visited:
            continue
        visited.add(folder)
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in sorted(folder.glob("*.tf"))]
        statements = [statement for text in texts for statement in hcl.statements(text)]
        yield folder, statements
        for call in (block for block in statements if block.keyword == "module"):
            source = next((child.string() for child in call.children() if child.keyword == "source"), None)
            if source and source.startswith(("./", "../")):
                waiting.append((folder / source).resolve())


def _requirements(folder: Path, statements: Iterable[hcl.Statement]) -> list[str]:
    """A module's statements on providers, backend and modules: the inputs of `init`."""
    parts = [str(folder)]
    prefixes = set()
    for statement in statements:
        if statement.keyword == "terraform":
            parts.append(statement.text)
        elif statement.keyword == "module":
            origin = [
                child.text.strip() for child in statement.children() if child.keyword in ("source", "version")
            ]
            parts += [*statement.labels, *origin]
        elif statement.keyword in _RESOURCES and statement.labels:
            # A resource type implies a provider requirement by its prefix.
            prefixes.add(statement.labels[0].split("_")[0])
    parts += sorted(prefixes)
    parts += [_digest(file) for file in sorted(folder.glob("*.tf.json"))]
    return parts
