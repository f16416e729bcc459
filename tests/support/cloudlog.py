"""The log of the embedded cloud."""

from __future__ import annotations

import re
from pathlib import Path

# What asyncio, uvicorn and Python print for exceptions that nothing handles.
_UNHANDLED = re.compile(r"Traceback \(most recent call last\)|Exception in |was never (retrieved|awaited)")


def assert_no_unhandled_exceptions(log: Path) -> None:
    """Fail if a cloud logged an exception that it did not handle."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    found = [index for index, line in enumerate(lines) if _UNHANDLED.search(line)]
    assert not found, "\n".join([f"{log} has unhandled exceptions:", *lines[found[0] : found[0] + 60]])
