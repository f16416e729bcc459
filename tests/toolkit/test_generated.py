"""Generated files that are checked in."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.generated import write_or_check


def test_check_fails_on_a_stale_file_and_says_what_to_run(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    write_or_check(file, "new", "python -m maker", check=False)
    write_or_check(file, "new", "python -m maker", check=True)
    with pytest.raises(InputError, match="stale") as caught:
        write_or_check(file, "newer", "python -m maker", check=True)
    assert "python -m maker" in str(caught.value)
    assert file.read_text() == "new"
