"""Convert file errors of the operating system, also those of other programs, to the toolkit's errors."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import InputError, PreflightError
from toolkit.files import naming
from toolkit.project import cache_dir

# Problems of the machine, not defects: permissions, disk space, open files, or of a name that the user gave.
_MACHINE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}
# A file is in a folder's place; for an existing folder, the error is a defect.
_NOT_A_FOLDER = {errno.ENOTDIR, errno.EEXIST}
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# Python, Go and the C library report these in the same words, except for upper case.
_REPORTED = {os.strerror(code).lower(): code for code in (*_DISK_FULL, errno.EROFS)}


def explain(error: OSError) -> PreflightError | None:
    """Convert an error about a file; None for other errors."""
    file_name = error.filename2 or error.filename
    # Errors about a full disk do not name the file.
    path = (
        Path(os.fsdecode(file_name)) if isinstance(file_name, str | bytes | os.PathLike) else _fullest(error)
    )
    if path is None or (error.errno not in _MACHINE | _NOT_A_FOLDER and not _is_cached(path)):
        return None
    if error.errno in _NOT_A_FOLDER:
        path = _blocking_file(path)
        if path is None:
            return None
        kind = "a broken link" if path.is_symlink() and not path.exists() else "a file"
        return _error(f"{kind} is in place of a folder", path, "rename or remove it")
    return _error(str(error.strerror), path)


def prepare_output(path: Path, purpose: str = "write a report") -> None:
    """Create the folder of a file that the user named, before a command that takes a while.

    Args:
        path: the file.
        purpose: what fails otherwise.

    Raises:
        InputError: it is a directory, or cannot be written.
    """
    if path.is_dir():
        raise InputError(f"cannot {purpose}: this is a directory", where=str(path), remedy="name a file")
    with writing(path, purpose):
        path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(path: Path, purpose: str = "write a report") -> Iterator[None]:
    """Convert all errors of writing a file that the user named, also those that would be defects elsewhere.

    Args:
        path: the file.
        purpose: what fails.

    Raises:
        InputError: a folder of the path does not exist and cannot be created, is a file, and so on.
        OSError: permissions or disk space are missing; see `explain`.
    """
    try:
        with naming(path):
            yield
    except BrokenPipeError:
        raise
    except OSError as error:
        explained = explain(error)
        if explained is not None and error.errno not in _NOT_A_FOLDER:
            raise
        reason = explained.message if explained is not None else error.strerror or str(error)
        remedy = "name a file in another folder"
        raise InputError(f"cannot {purpose}: {reason}", where=str(path), remedy=remedy) from error


def in_output(output: str, path: Path) -> PreflightError | None:
    """The error for a program that failed because it could not write; None if it failed for other reasons.

    Args:
        output: what it printed.
        path: the folder that it writes to.
    """
    lowered = output.lower()
    codes = [code for text, code in _REPORTED.items() if text in lowered]
    return _error(os.strerror(codes[0]), path) if codes else None


def _error(
    problem: str, path: Path, remedy: str = "check its permissions and free disk space"
) -> PreflightError:
    if _is_cached(path):
        return PreflightError(
            f"cannot use the cache: {problem}",
            where=str(path),
            remedy="set TOOLKIT_CACHE_DIR to a writable folder on a disk with free space",
        )
    return PreflightError(problem, where=str(path), remedy=remedy)


def _is_cached(path: Path) -> bool:
    """Whether a file or folder is in the cache, or above it; file systems refuse it for many reasons."""
    cache = _cache()
    return cache is not None and (path.is_relative_to(cache) or cache.is_relative_to(path))


def _cache() -> Path | None:
    try:
        return cache_dir()
    except InputError:
        return None


def _fullest(error: OSError) -> Path | None:
    """The folder with the least free space among those the toolkit writes to."""
    if error.errno not in _DISK_FULL:
        return None
    folders = [Path.cwd(), _cache(), Path(os.environ.get("TMPDIR") or "/tmp")]  # noqa: S108 - not written to
    existing = [_existing(folder) for folder in folders if folder is not None]
    return min(existing, key=lambda folder: shutil.disk_usage(folder).free)


def _existing(path: Path) -> Path:
    """The path, or its nearest existing parent."""
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _blocking_file(path: Path) -> Path | None:
    """The path or its nearest existing parent, if that is not a folder."""
    existing = next(candidate for candidate in (path, *path.parents) if os.path.lexists(candidate))
    return None if existing.is_dir() else existing
