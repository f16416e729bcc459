"""What the operating system refuses about files, as errors a user can act on."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from toolkit.errors import PreflightError
from toolkit.project import cache_dir

# Of the machine and not of this program: rights, space, files that are open.
_OF_THE_MACHINE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
}
# Something else may be in a folder's place; or a folder is made that is there, which is a defect.
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def explain(error: OSError) -> PreflightError | None:
    """The readable form of what a file could not be used for; None if the error is about something else."""
    if error.errno not in _OF_THE_MACHINE | _IN_THE_WAY:
        return None
    named = error.filename2 or error.filename
    # The system does not say which file it is that has no room to grow.
    path = Path(os.fsdecode(named)) if isinstance(named, str | bytes | os.PathLike) else _fullest(error)
    if path is None:
        return None
    problem = error.strerror
    if error.errno in _IN_THE_WAY:
        path = _no_folder(path)
        if path is None:
            return None
        problem = "a file is where a folder should be"
    if path.is_relative_to(cache_dir()) or cache_dir().is_relative_to(path):
        return PreflightError(
            f"the cache can't be used: {problem}",
            where=str(path),
            remedy="set TOOLKIT_CACHE_DIR to a folder that you may write to, on a disk with room",
        )
    return PreflightError(
        f"{problem}", where=str(path), remedy="see to the rights and the free space of that place"
    )


def _fullest(error: OSError) -> Path | None:
    """Of the folders that files are written to, the one with the least room."""
    if error.errno not in _NO_ROOM:
        return None
    places = [Path.cwd(), cache_dir(), Path(os.environ.get("TMPDIR") or "/tmp")]  # noqa: S108 - only looked at
    return min(map(_existing, places), key=lambda place: shutil.disk_usage(place).free)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that there is."""
    return next(each for each in (path, *path.parents) if each.exists())


def _no_folder(path: Path) -> Path | None:
    """The path or what is above it, if it is there and no folder."""
    found = _existing(path)
    return None if found.is_dir() else found
