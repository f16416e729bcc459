"""Processes of this machine."""

from __future__ import annotations

import contextlib
import os


def is_alive(pid: int) -> bool:
    """Whether a process exists; reaps it first if it is an exited child of this process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
