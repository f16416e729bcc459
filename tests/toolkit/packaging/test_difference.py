"""Differences between packages."""

from __future__ import annotations

from pathlib import Path

from toolkit.packaging import archive
from toolkit.packaging.difference import difference


def test_changed_added_and_removed_files_are_named(tmp_path: Path) -> None:
    old, new = tmp_path / "old.zip", tmp_path / "new.zip"
    archive.write(old, {"same.py": b"1", "other.py": b"1", "gone.py": b"1"})
    archive.write(new, {"same.py": b"1", "other.py": b"2", "new.py": b"1"})
    result = difference(old, new)
    assert result.describe() == "other.py, +new.py, -gone.py"
    assert result.describe(limit=1) == "other.py, and 2 more"
    assert difference(new, new).describe() == ""


def test_only_modules_that_had_code_count_as_emptied(tmp_path: Path) -> None:
    old, new = tmp_path / "old.zip", tmp_path / "new.zip"
    archive.write(old, {"a.py": b"1", "always.py": b"", "run.sh": b"1"})
    archive.write(new, {"a.py": b"", "always.py": b"", "run.sh": b"", "new.py": b""})
    assert difference(old, new).emptied == ("a.py",)
