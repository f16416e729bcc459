"""A state that Terraform could not store in its bucket, kept with the run that created it.

Terraform writes such a state to `errored.tfstate` in the stack's folder, which all environments share: two
runs would overwrite each other's, and a later run could use the wrong one. No option changes the path.
While a folder has that name, Terraform prints the state to the log of the run instead.
"""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime
from pathlib import Path

from toolkit.files import write_atomic
from toolkit.terraform.messages import Event
from toolkit.terraform.transcript import Transcript

_ERRORED = "errored.tfstate"
# Terraform cannot write into the stack's folder either, and prints the state.
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}
_DUMP = "Emergency state dump"


def reserve(stack: Path, build: Path) -> Path | None:
    """Make Terraform print an unstored state instead of writing it to the stack's folder.

    Args:
        stack: the folder of the root module.
        build: folder for the state of an earlier run outside the toolkit.

    Returns:
        Where a state of an earlier run was moved to; None if there was none.
    """
    path, moved = stack / _ERRORED, None
    if path.is_file():
        moved = build / f"errored-{stack.name}-{_stamp()}.tfstate"
        build.mkdir(parents=True, exist_ok=True)
        path.replace(moved)
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        if error.errno not in _READ_ONLY:
            raise
    return moved


def save(state: Event, directory: Path) -> Path:
    """Write a state that Terraform printed; returns the file.

    Args:
        state: the state.
        directory: the build folder of the stack and environment.
    """
    path = directory / f"errored-{_stamp()}.tfstate"
    write_atomic(path, json.dumps(state), mode=0o600)
    return path


def find(directory: Path) -> list[Path]:
    """Unstored states of a stack and environment, oldest first; no command may be running on it.

    This includes states in logs of runs whose toolkit was killed: their Terraform finished alone.
    """
    for log in [*directory.glob("apply.*.log"), *directory.glob("destroy.*.log")]:
        transcript = Transcript()
        with log.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if _DUMP in line:
                    transcript.feed(line)
        if transcript.state is not None:
            save(transcript.state, directory)
        log.unlink()
        log.with_suffix(".stderr").unlink(missing_ok=True)
    return sorted(directory.glob("errored-*.tfstate"))


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
