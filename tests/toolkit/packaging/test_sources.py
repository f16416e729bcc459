"""The functions' source is read in one consistent state and checked before anything is uploaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import InputError
from toolkit.packaging import sources


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module of the gateway."""
    path = tmp_path / "gateway" / "app.py"
    path.parent.mkdir()
    path.write_text("OLD = 1\n")
    return path


def test_syntax_errors_name_the_line() -> None:
    sources.check_syntax({"gateway/good.py": b"x = 1\n", "gateway/run.sh": b"exec ("})
    with pytest.raises(InputError, match="never closed") as caught:
        sources.check_syntax({"gateway/bad.py": b"x = 1\ny = (\n"})
    assert caught.value.where == "lambda_src/gateway/bad.py:2"
    assert caught.value.details == ("y = (",)
    with pytest.raises(InputError):
        sources.check_syntax({"gateway/bad.py": b"\0"})


def test_a_save_in_steps_is_read_when_complete(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = iter(
        [
            lambda: module.write_text(""),
            lambda: module.write_text("NEW = 1\n"),
            lambda: module.with_name("other.py").write_text("NEW = 1\n"),
            lambda: module.write_text("NEW = 1\nMORE = 2\n"),
        ]
    )
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        next(steps, lambda: None)()

    monkeypatch.setattr(sources.time, "sleep", sleep)
    assert sources.read(module.parents[1], 0.2) == {
        "gateway/app.py": b"NEW = 1\nMORE = 2\n",
        "gateway/other.py": b"NEW = 1\n",
    }
    assert waits == [0.2] * 5


def test_a_file_truncated_during_the_read_is_read_again(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes = Path.read_bytes
    saves = iter([lambda: module.write_text(""), lambda: module.write_text("NEW = 1\n"), lambda: None])

    def save_and_read(path: Path) -> bytes:
        next(saves)()
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", save_and_read)
    assert sources.read(module.parents[1]) == {"gateway/app.py": b"NEW = 1\n"}


def test_a_file_removed_during_the_read_is_left_out(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def remove_and_read(path: Path) -> bytes:
        path.unlink()
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", remove_and_read)
    assert sources.read(module.parents[1]) == {}
