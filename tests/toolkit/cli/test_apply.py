"""The page of a rollout never hides the result of the apply."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from toolkit.cli.apply import _recording
from toolkit.console import Console
from toolkit.errors import RegressionError


def test_a_page_that_cannot_be_written_hides_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = io.StringIO()
    with (
        pytest.raises(RegressionError, match="rolled back"),
        _recording(Console(err=output), "dev", str(tmp_path / "file" / "page.html"), None),
    ):
        raise RegressionError("rolled back")
    assert "warning: cannot write the page of the rollout" in output.getvalue()
