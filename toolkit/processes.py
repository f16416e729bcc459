"""Processes of this machine."""

from __future__ import annotations

import contextlib
import os
import re

# Set for the commands of a rehearsal.
REHEARSAL = "TOOLKIT_REHEARSAL"
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|API_?KEY|PRIVATE_KEY|CREDENTIAL", re.IGNORECASE)


def environment_without_secrets(*needed: str) -> dict[str, str]:
    """The environment for a child process, without variables whose names suggest a secret.

    Args:
        needed: prefixes of variables that the child needs in any case.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(needed) or not _SECRET.search(name)
    }


def is_set(variable: str) -> bool:
    """Whether a variable of the environment switches something on: `1`, `true` or `yes`."""
    return os.environ.get(variable, "").lower() in ("1", "true", "yes")


def is_rehearsal() -> bool:
    """Whether this command is a step of a rehearsal: environments for AWS are in the embedded cloud."""
    return is_set(REHEARSAL)


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
