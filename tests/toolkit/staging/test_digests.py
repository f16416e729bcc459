"""Digests of files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from toolkit.staging import digests

CONTENT_SHA256 = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    return path


def test_sha256_is_of_the_content(file: Path) -> None:
    assert digests.sha256(file) == CONTENT_SHA256


def test_a_changed_file_has_another_digest(file: Path) -> None:
    before = digests.sha256(file)
    stat = file.stat()
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert digests.sha256(file) != before


def test_a_renamed_file_is_not_read_again(file: Path) -> None:
    before = digests.sha256(file)
    renamed = file.rename(file.with_name("renamed"))
    stat = renamed.stat()
    # Only a cached digest can miss this change.
    renamed.write_bytes(b"CONTENT")
    os.utime(renamed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digests.sha256(renamed) == before


def test_a_truncated_cache_entry_is_recomputed(file: Path, cache: Path) -> None:
    digests.sha256(file)
    (memory,) = (cache / "digests").iterdir()
    memory.write_text("ed7002")
    assert digests.sha256(file) == CONTENT_SHA256


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_blob_id_equals_that_of_git(file: Path) -> None:
    output = subprocess.run(
        ["git", "hash-object", "--no-filters", str(file)], check=True, capture_output=True, text=True
    )
    assert digests.git_blob_id(file) == output.stdout.strip()
