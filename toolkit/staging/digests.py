"""Digests of files, remembered for as long as a file is not touched: weights are large."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from toolkit.project import cache_dir

_SHA256 = re.compile(r"[0-9a-f]{64}")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    stat = path.stat()
    # Without its name: a download is renamed when it is found to be right.
    identity = f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
    memory = cache_dir() / "digests" / hashlib.sha256(identity.encode()).hexdigest()
    if memory.is_file():
        remembered = memory.read_text()
        # Another process may be writing it just now.
        if _SHA256.fullmatch(remembered):
            return remembered
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_text(digest)
    return digest


def git_blob_id(path: Path) -> str:
    """What git calls a file's content: SHA-1 of its kind, its size and itself."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()
