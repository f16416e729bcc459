"""Mistakes are told before anything is uploaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.packaging import syntax
from toolkit.project import Project


def test_the_line_of_a_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "lambda_src" / "gateway"
    folder.mkdir(parents=True)
    (folder / "good.py").write_text("x = 1\n")
    syntax.check(Project(tmp_path))
    (folder / "bad.py").write_text("x = 1\ny = (\n")
    with pytest.raises(InputError, match="never closed") as caught:
        syntax.check(Project(tmp_path))
    assert caught.value.where == "lambda_src/gateway/bad.py:2"
    assert caught.value.details == ("y = (",)
    (folder / "bad.py").write_bytes(b"\0")
    with pytest.raises(InputError):
        syntax.check(Project(tmp_path))
