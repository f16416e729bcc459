"""One command at a time per environment: a file lock on this machine, Terraform's state lock everywhere.

The state lock protects the state. The file lock keeps two commands of one checkout from overwriting each
other's variables and plans. Terraform inherits the locked descriptor: after a `kill -9` of the toolkit, the
environment stays locked until Terraform has finished, and no longer. (`filelock` cannot do that.)
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from toolkit import documents
from toolkit.aws import state_lock
from toolkit.console import Console
from toolkit.deployment.context import Context
from toolkit.errors import StateError
from toolkit.files import naming
from toolkit.lock_info import LockInfo
from toolkit.processes import is_alive

POLL_SECONDS = 0.2
# A command names itself in the file right after it has locked it; on a busy machine, not at once.
RECORD_SECONDS = 2.0
# Applying the account stack takes less than a minute on an idle machine.
ACCOUNT_SECONDS = 600.0


@dataclass(frozen=True)
class _Holder:
    """The command that holds a file lock, as recorded in the file."""

    pid: Annotated[int, Field(gt=0, lt=2**31)]
    command: str
    since: str


@contextmanager
def exclusive(context: Context) -> Iterator[None]:
    """Lock the environment against other commands of this checkout until the block ends.

    Raises:
        StateError: another command still works on it after the context's lock time-out.
    """
    with _locked(lock_file(context), context.lock_timeout_seconds, context.console):
        yield


@contextmanager
def account(context: Context) -> Iterator[None]:
    """Lock the account stack, which environments share, until the block ends.

    Commands wait for it even without a lock time-out: the user did not ask for a change of the account.

    Raises:
        StateError: another command still works on it after `ACCOUNT_SECONDS`.
    """
    path = context.project.build / "account" / ".lock"
    with _locked(path, max(context.lock_timeout_seconds, ACCOUNT_SECONDS), context.console):
        yield


def lock_file(context: Context) -> Path:
    """The file behind `exclusive`."""
    return context.build / ".lock"


def is_busy(context: Context) -> bool:
    """Whether a command of this checkout, or a Terraform it left running, works on the environment."""
    path = lock_file(context)
    if not path.is_file():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


def read(context: Context, stack: str) -> LockInfo | None:
    """The lock on a stack's state; None if it is not locked."""
    return state_lock.read(context.access, *location(context, stack))


def explain(context: Context, stack: str, lock: LockInfo) -> list[str]:
    """Lines about a state lock: who holds it, and whether its holder still runs.

    Raises:
        StateError: a command on this machine holds it.
    """
    bucket, key = location(context, stack)
    address = f"s3://{bucket}/{key}{state_lock.SUFFIX}"
    if not lock.id:
        return [f"{address} is not a Terraform lock; its owner is unknown"]
    lines = [str(lock), f"lock {lock.id} in {address}"]
    if not lock.is_of_this_machine:
        return [*lines, "a command on another machine holds it: make sure that it no longer runs"]
    if is_busy(context):
        raise StateError(
            "cannot clear the lock: its command, or the Terraform it started, still runs on this machine",
            where=address,
            remedy="wait until it has finished; commands with --lock-timeout 10m wait for it",
        )
    return [
        *lines,
        "a command on this machine took it, and no command of this checkout is running: it was killed, "
        "unless it belongs to another checkout",
    ]


def clear(context: Context, stack: str, lock: LockInfo) -> None:
    """Clear a state lock; a lock acquired since stays.

    Raises:
        StateError: the lock is gone.
    """
    bucket, key = location(context, stack)
    if not state_lock.remove(context.access, bucket, key, lock):
        raise StateError(
            "cannot clear the lock: it was released or replaced meanwhile",
            where=f"s3://{bucket}/{key}{state_lock.SUFFIX}",
            remedy="run the command again",
        )


def location(context: Context, stack: str) -> tuple[str, str]:
    """Bucket and key of a stack's state."""
    return context.environment.state_bucket, context.environment.state_keys[stack]


@contextmanager
def _locked(path: Path, timeout: float, console: Console) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, timeout, console)
        with naming(path):
            _write_holder(descriptor)
        os.set_inheritable(descriptor, True)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, timeout: float, console: Console) -> None:
    if _try_lock(descriptor):
        return
    deadline = time.monotonic() + timeout
    with console.progress(f"waiting for {_describe(_read_holder(path))}") if timeout > 0 else nullcontext():
        while time.monotonic() < deadline:
            if _try_lock(descriptor):
                return
            # flock either polls or waits without a time-out.
            time.sleep(POLL_SECONDS)
    recorded = time.monotonic() + RECORD_SECONDS
    while not (holder := _read_holder(path)) or not is_alive(holder.pid):
        if _try_lock(descriptor):
            return
        if time.monotonic() > recorded:
            break
        time.sleep(POLL_SECONDS)
    raise StateError(
        f"the environment is in use on this machine: {_describe(holder)}",
        where=str(path),
        remedy="wait until it has finished, or let this command wait: --lock-timeout 10m",
    )


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = _Holder(os.getpid(), " ".join(["toolkit", *sys.argv[1:2]]), now)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)


def _read_holder(path: Path) -> _Holder | None:
    try:
        return documents.parse(documents.load(path), _Holder)
    except (OSError, documents.DamagedError):  # just locked, and not written yet
        return None


def _describe(holder: _Holder | None) -> str:
    if holder is None:
        return "another command"
    killed = "" if is_alive(holder.pid) else ", which was killed; its Terraform is still finishing"
    return f"`{holder.command}` (process {holder.pid}) since {holder.since}{killed}"
