"""Digests of files, cached until the file changes, because weights are large."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from toolkit.files import write_atomic
from toolkit.project import cache_dir

_SHA256 = re.compile(r"[0-9a-f]{64}")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    stat = path.stat()
    # Without the name: downloads are renamed after verification.
    identity = f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"
    cached = cache_dir() / "digests" / hashlib.sha256(identity.encode()).hexdigest()
    if cached.is_file():
        digest = cached.read_text(encoding="utf-8", errors="replace")
        # Another process may be writing it.
        if _SHA256.fullmatch(digest):
            return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    write_atomic(cached, digest)
    return digest


def git_blob_id(path: Path) -> str:
    """Git's object ID of a file: SHA-1 of type, size and content."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            digest.update(block)
    return digest.hexdigest()
