"""What the operating system refuses about files, as errors a user can act on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from toolkit.errors import PreflightError
from toolkit.project import cache_dir

# Of the machine and not of this program: rights, space, something else in a folder's place.
_OF_THE_MACHINE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EEXIST,
}


def explain(error: OSError) -> PreflightError | None:
    """The readable form of what a file could not be used for; None if the error is about something else."""
    named = error.filename2 or error.filename
    if error.errno not in _OF_THE_MACHINE or not isinstance(named, str | os.PathLike):
        return None
    path = Path(named)
    if path.is_relative_to(cache_dir()) or cache_dir().is_relative_to(path):
        return PreflightError(
            f"the cache can't be used: {error.strerror}",
            where=str(path),
            remedy="set TOOLKIT_CACHE_DIR to a folder that you may write to",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return None
    return PreflightError(
        f"{error.strerror}", where=str(path), remedy="see to the rights and the free space of that place"
    )
