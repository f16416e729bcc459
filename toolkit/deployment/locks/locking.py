"""One command at a time on an environment: on this machine by a file, everywhere by the state's own lock.

The state's lock keeps the state whole. The file keeps two commands of one checkout from writing each
other's variables and plans. It is locked for as long as anybody has it open, and Terraform inherits it: if
the toolkit is killed, it stays locked until Terraform has ended, and not a moment longer.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from toolkit.console import Console
from toolkit.deployment.context import Context
from toolkit.errors import StateError

POLL_SECONDS = 0.2
# The account's stack takes less than a minute, on a machine that has nothing else to do.
ACCOUNT_SECONDS = 600.0


@contextmanager
def exclusive(context: Context) -> Iterator[None]:
    """Keep other commands of this checkout away from the environment until the block ends.

    Raises:
        StateError: another one is at work, and was for as long as the context's lock time-out.
    """
    with _held(lock_file(context), context.lock_timeout_seconds, context.console):
        yield


@contextmanager
def account(context: Context) -> Iterator[None]:
    """Keep other commands of this checkout away from the account's stack, which its environments share.

    It is brought up to date on the way to an environment, which nobody asked for: so it is waited for.

    Raises:
        StateError: another one is at work on it, and was for as long as there is patience.
    """
    path = context.project.build / "account" / ".lock"
    with _held(path, max(context.lock_timeout_seconds, ACCOUNT_SECONDS), context.console):
        yield


@contextmanager
def _held(path: Path, timeout: float, console: Console) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, timeout, console)
        _sign(descriptor)
        os.set_inheritable(descriptor, True)
        yield
    finally:
        os.close(descriptor)


def lock_file(context: Context) -> Path:
    """The file that is locked."""
    return context.project.environment_build(context.environment.name) / ".lock"


def is_busy(context: Context) -> bool:
    """Whether a command of this checkout, or a Terraform that it left behind, works on the environment."""
    path = lock_file(context)
    if not path.is_file():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout: float, console: Console) -> None:
    if _try(descriptor):
        return
    deadline = time.monotonic() + timeout
    with console.progress(f"waiting for {_holder(path)}"):
        while time.monotonic() < deadline:
            if _try(descriptor):
                return
            # The kernel tells nobody that a lock became free, unless one waits without an end.
            time.sleep(POLL_SECONDS)
    raise StateError(
        f"the environment is in use on this machine: {_holder(path)}",
        where=str(path),
        remedy="wait until it has ended, or let this command wait: --lock-timeout 10m",
    )


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(descriptor: int) -> None:
    words = [Path(sys.argv[0]).name, *sys.argv[1:2]]
    note = {
        "pid": os.getpid(),
        "command": "toolkit" + "".join(f" {each}" for each in words[1:]),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(note).encode(), 0)


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        pid, command, since = int(note["pid"]), note["command"], note["since"]
    except (OSError, ValueError, KeyError, TypeError):  # it has just been taken, and is not signed yet
        return "another command"
    left = "" if _is_alive(pid) else ", which was killed; its Terraform still brings its work to an end"
    return f"`{command}` (process {pid}) since {since}{left}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
