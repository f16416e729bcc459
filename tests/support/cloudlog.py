"""Logs of the embedded cloud and of what runs in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

# Printed by asyncio, uvicorn and Python for exceptions that nothing handles.
_UNHANDLED = re.compile(r"Traceback \(most recent call last\)|Exception in |was never (retrieved|awaited)")


def assert_no_unhandled_exceptions(log: Path) -> None:
    """Fail if a cloud logged an exception that it did not handle."""
    assert_handled(log.read_text(errors="replace").splitlines() if log.exists() else [], str(log))


def assert_handled(lines: Sequence[str], source: str) -> None:
    """Fail if one of the lines of a log reports an exception that nothing handled."""
    matches = [index for index, line in enumerate(lines) if _UNHANDLED.search(line)]
    assert not matches, "\n".join(
        [f"{source} has unhandled exceptions:", *lines[matches[0] : matches[0] + 60]]
    )
