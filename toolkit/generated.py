"""Generated files that are checked in."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import InputError


def write_or_check(file: Path, content: str, command: str, *, check: bool) -> None:
    """Write a generated file, or with `check` compare it.

    Raises:
        InputError: the compared file is stale.
    """
    if not check:
        file.write_text(content, encoding="utf-8")
    elif not file.is_file() or file.read_text(encoding="utf-8") != content:
        raise InputError(
            "the file is stale", where=file.name, remedy=f"run `{command}` and commit the result"
        )
