"""Timeouts of tests."""

from __future__ import annotations

import time
from collections.abc import Callable

# Only prevents hanging: no test measures durations, and a busy machine is slow.
HANG_SECONDS = 300.0


def wait_for(condition: Callable[[], object], what: str = "a condition") -> None:
    """Wait until `condition` holds; fail after HANG_SECONDS."""
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)
