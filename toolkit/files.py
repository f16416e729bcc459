"""Atomic writes that name their file in errors, and locks between processes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import InputError

# The system does not name the file if a write fails, unlike if opening it fails.
_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a file or folder in errors of the writes in this block."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _WRITING:
            error.filename = str(path)
        raise


def require_file(path: Path, purpose: str, where: str, remedy: str | None = None) -> None:
    """Require that a path from the user is a file.

    Args:
        path: the path.
        purpose: what cannot be done without it, such as "read the plan".
        where: the path, for the message.
        remedy: how to get such a file.

    Raises:
        InputError: it does not exist, or is something else.
    """
    if not path.is_file():
        reason = "this is a folder" if path.is_dir() else "not a file" if path.exists() else "no such file"
        raise InputError(f"cannot {purpose}: {reason}", where=where, remedy=remedy)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; move it into place if the block succeeds, else remove it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with naming(path):
            yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, content: bytes | str, *, mode: int = 0o666) -> None:
    """Replace a file's content, creating its folder if necessary.

    Args:
        path: the file.
        content: text is written as UTF-8.
        mode: permissions of the file, further restricted by the umask.
    """
    with atomic_path(path) as partial:
        # Never an existing file, or the target of a link, which another user may have created.
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def exclusive_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that other processes and threads wait for; the system releases it if the process dies.

    Args:
        path: the lock file.
        on_wait: called before waiting for another holder.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    # A soft lock, filelock's substitute on file systems without locks, would survive `kill -9`.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
