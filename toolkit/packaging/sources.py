"""The source files of the Lambda functions, read in one consistent state."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from toolkit.errors import InputError

# Code, start scripts and lock files; not bytecode, nor the temporary files of editors.
_SUFFIXES = frozenset({".py", ".sh", ".txt", ".json"})


def read(folder: Path, settle_seconds: float = 0.0) -> dict[str, bytes]:
    """Read all source files, after none of them has changed for `settle_seconds`.

    Editors truncate a file before they write it, or save several files in a row. A state in between is
    never returned.

    Args:
        folder: `lambda_src/`.
        settle_seconds: how long the files must stay the same.

    Returns:
        Contents by path below `folder`, with `/` between folders.
    """
    before = fingerprint(folder)
    while True:
        time.sleep(settle_seconds)
        files = {}
        for path in _paths(folder):
            with suppress(FileNotFoundError):
                files[path.relative_to(folder).as_posix()] = path.read_bytes()
        after = fingerprint(folder)
        if after == before:
            return files
        before = after


def fingerprint(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Modification time, size and inode of each source file; differs after any save."""
    statuses = {}
    for path in _paths(folder):
        with suppress(FileNotFoundError):
            status = path.stat()
            statuses[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return statuses


def _paths(folder: Path) -> Iterator[Path]:
    paths = [folder] if folder.is_file() else folder.rglob("*")
    return (path for path in paths if path.suffix in _SUFFIXES and path.is_file())


def check_syntax(files: Mapping[str, bytes]) -> None:
    """Compile all Python files.

    Args:
        files: what `read` returned.

    Raises:
        InputError: a file is not valid Python; names the line.
    """
    for name, content in sorted(files.items()):
        if not name.endswith(".py"):
            continue
        path = f"lambda_src/{name}"
        try:
            compile(content, path, "exec", dont_inherit=True)
        except SyntaxError as error:
            details = [error.text.rstrip()] if error.text else []
            raise InputError(
                f"{error.msg}; nothing was uploaded", where=f"{path}:{error.lineno}", details=details
            ) from error
        except ValueError as error:
            raise InputError(str(error), where=path) from error
