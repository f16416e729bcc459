from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.packaging import archive


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    archive.write(tmp_path / "a.zip", {"b/x": b"1", "a": b"2"})
    archive.write(tmp_path / "b.zip", {"a": b"2", "b/x": b"1"})
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_failure_keeps_the_old_file_only(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        archive.write(path, {"a": None})  # type: ignore[dict-item]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
