"""A small file system that fills up, mounted where only the commands of a round see it.

The mount is in a separate user and mount namespace, so that it needs no privileges and never outlives its
holder. Where the kernel or a container forbids that, the rounds with a full disk are not possible.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SIZE_BYTES = 64 * 1024 * 1024
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
_HOLD = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat'


@dataclass(frozen=True)
class Disk:
    """A mounted file system.

    Attributes:
        prefix: runs a command that sees the file system.
        folder: its path for such a command.
        view: its path for all other processes.
    """

    prefix: Sequence[str]
    folder: Path
    view: Path

    def fill(self, free: int) -> None:
        """Leave this many bytes."""
        self.release()
        status = os.statvfs(self.view)
        size = status.f_bavail * status.f_frsize - free
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(size, 1))

    def release(self) -> None:
        """Free the space."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.view / "ballast"


def is_possible() -> bool:
    """Whether this machine allows the mount."""
    try:
        tried = subprocess.run(
            [*_UNSHARE, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


@contextlib.contextmanager
def mounted(folder: Path, cwd: Path) -> Iterator[Disk]:
    """Mount an empty file system over a folder until the block ends, for commands that run in `cwd`."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        [*_UNSHARE, "sh", "-c", _HOLD, "sh", str(SIZE_BYTES), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == b"mounted\n"
        enter = ["nsenter", f"--target={holder.pid}", "--user", "--mount", "--preserve-credentials"]
        # Entering a mount namespace changes to its root.
        stay = ["sh", "-c", 'cd "$0" && exec "$@"', os.fspath(cwd)]
        try:
            yield Disk([*enter, *stay], folder, Path(f"/proc/{holder.pid}/root{folder}"))
        finally:
            holder.stdin.close()
