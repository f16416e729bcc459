"""Reproducible zip files: they depend only on names, contents and the executable bit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from stat import S_IFREG
from typing import IO

from toolkit.files import atomic_path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def write(path: Path, files: Mapping[str, bytes], executable: frozenset[str] = frozenset()) -> None:
    """Write a zip file atomically.

    Files are stored, not deflated, because zlib, zlib-ng and Apple's library compress differently and Lambda
    counts unpacked sizes. Order, times and modes are fixed for the same reason.

    Args:
        path: the zip file.
        files: contents by name, with `/` between folders.
        executable: names of executable files.
    """
    with atomic_path(path) as partial:
        _write(partial, files, executable)


def pack(files: Mapping[str, bytes]) -> bytes:
    """The content of such a zip file."""
    content = io.BytesIO()
    _write(content, files, frozenset())
    return content.getvalue()


def _write(target: Path | IO[bytes], files: Mapping[str, bytes], executable: frozenset[str]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = (S_IFREG | (0o755 if name in executable else 0o644)) << 16
            archive.writestr(entry, files[name])
