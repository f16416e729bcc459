"""When `terraform init` has to run again: a fingerprint of everything that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from toolkit.terraform import hcl
from toolkit.terraform.program import Program

# Kept in Terraform's data directory, so that it goes when that goes.
RECORD = "toolkit-init"
_RESOURCES = ("resource", "data", "ephemeral")


def fingerprint(
    program: Program, stack: Path, backend_file: Path | None, environment: Mapping[str, str]
) -> str:
    """A digest of what `init` reads.

    Args:
        program: the Terraform program; another version may install differently.
        stack: folder of the root module.
        backend_file: backend settings, None without a backend.
        environment: variables that decide where state and providers are.
    """
    parts: list[str] = [*program.argv, program.version, str(backend_file)]
    parts += [backend_file.read_text()] if backend_file else []
    parts += [f"{name}={value}" for name, value in sorted(environment.items())]
    lock = stack / ".terraform.lock.hcl"
    parts.append(lock.read_text() if lock.is_file() else "")
    for module in _modules(stack):
        parts += _requirements(module)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def is_current(data_directory: Path, wanted: str) -> bool:
    """Whether the last `init` saw the same, and what it installed is still there."""
    record = data_directory / RECORD
    if not record.is_file() or record.read_text() != wanted:
        return False
    # Providers are links into a cache or mirror that may have been cleared.
    packages = (data_directory / "providers").glob("*/*/*/*/*")
    return all(package.is_dir() for package in packages)


def remember(data_directory: Path, made: str) -> None:
    """Note a successful `init`."""
    data_directory.mkdir(parents=True, exist_ok=True)  # without providers and backend, Terraform makes none
    (data_directory / RECORD).write_text(made)


def forget(data_directory: Path) -> None:
    """Make the next `init` run."""
    (data_directory / RECORD).unlink(missing_ok=True)


def state_location(data_directory: Path) -> str | None:
    """Where the last `init` put the state, "bucket/key" for S3; None if that is not known."""
    try:
        config = json.loads((data_directory / "terraform.tfstate").read_text())["backend"]["config"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return "/".join(str(config[name]) for name in ("bucket", "path", "key") if config.get(name)) or None


def _modules(stack: Path) -> Iterator[Path]:
    """The root module and all local modules it calls, each once."""
    seen: set[Path] = set()
    waiting = [stack.resolve()]
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        yield folder
        for call in (each for each in _statements(folder) if each.keyword == "module"):
            source = next((child.string() for child in call.children() if child.keyword == "source"), None)
            if source and source.startswith(("./", "../")):
                waiting.append((folder / source).resolve())


def _statements(folder: Path) -> Iterator[hcl.Statement]:
    for file in sorted(folder.glob("*.tf")):
        yield from hcl.statements(file.read_text(encoding="utf-8", errors="replace"))


def _requirements(folder: Path) -> list[str]:
    """What a module says about providers, backend and modules; all else may change without a new `init`."""
    parts = [str(folder)]
    prefixes = set()
    for statement in _statements(folder):
        if statement.keyword == "terraform":
            parts.append(statement.text)
        elif statement.keyword == "module":
            origin = [
                child.text.strip() for child in statement.children() if child.keyword in ("source", "version")
            ]
            parts += [*statement.labels, *origin]
        elif statement.keyword in _RESOURCES and statement.labels:
            # A type without a provider requirement implies one by its prefix.
            prefixes.add(statement.labels[0].split("_")[0])
    parts += sorted(prefixes)
    parts += [file.read_text() for file in sorted(folder.glob("*.tf.json"))]
    return parts
