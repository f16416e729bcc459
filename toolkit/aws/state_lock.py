"""The lock of a Terraform state in S3, acquired and read as Terraform's S3 backend does."""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.errors import StateError
from toolkit.lock_info import LockInfo

SUFFIX = ".tflock"
# S3's error codes for IfNoneMatch="*": the object exists, or another request is creating it.
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
POLL_SECONDS = 1.0


def read(access: AwsAccess, bucket: str, key: str) -> LockInfo | None:
    """The lock on the state at `key`; None if it is not locked."""
    content = state_bucket.read(access, bucket, key + SUFFIX)
    return None if content is None else LockInfo.from_json(content)


def remove(access: AwsAccess, bucket: str, key: str, lock: LockInfo) -> bool:
    """Remove a lock as `terraform force-unlock` does, but whatever is in it; returns whether it was there.

    Terraform cannot read a lock with a member of another type. A lock acquired since stays.
    """
    if read(access, bucket, key) != lock:
        return False
    access.s3.delete_object(Bucket=bucket, Key=key + SUFFIX)
    return True


@contextmanager
def held(  # noqa: PLR0913, PLR0917 - most callers name them
    access: AwsAccess,
    bucket: str,
    key: str,
    operation: str,
    console: Console | None = None,
    lock_timeout: float = 0,
) -> Iterator[None]:
    """Hold the lock of the state at `key` until the block ends.

    Args:
        access: the account.
        bucket: the state bucket.
        key: object key of the state.
        operation: recorded in the lock for others to see.
        console: shows that the command is waiting.
        lock_timeout: seconds to wait for another holder.

    Raises:
        StateError: the state is locked.
    """
    body = json.dumps(
        {
            "ID": str(uuid.uuid4()),
            "Operation": operation,
            "Info": "",
            "Who": f"{_user()}@{platform.node()}",
            "Version": "",
            "Created": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "Path": f"{bucket}/{key}",
        }
    ).encode()
    if not _wait(access, bucket, key, body, console, lock_timeout):
        holder = read(access, bucket, key)
        raise StateError(
            "the state is locked",
            where=f"s3://{bucket}/{key}",
            details=[str(holder), f"lock ID {holder.id}"] if holder and holder.id else [],
            remedy="run again when that command has finished; `toolkit unlock` clears a stale lock",
        )
    try:
        yield
    finally:
        access.s3.delete_object(Bucket=bucket, Key=key + SUFFIX)


def _wait(  # noqa: PLR0913, PLR0917
    access: AwsAccess, bucket: str, key: str, body: bytes, console: Console | None, lock_timeout: float
) -> bool:
    if _acquire(access, bucket, key, body):
        return True
    if console is None or lock_timeout <= 0:
        return False
    deadline = time.monotonic() + lock_timeout
    with console.progress(f"waiting for the lock s3://{bucket}/{key}{SUFFIX}") as progress:
        while (remaining := deadline - time.monotonic()) > 0:
            # S3 sends no event when an object is deleted.
            time.sleep(min(POLL_SECONDS, remaining))
            if _acquire(access, bucket, key, body):
                return True
            progress.update(f"{remaining:.0f} s left")
    return False


def _acquire(access: AwsAccess, bucket: str, key: str, body: bytes) -> bool:
    try:
        access.s3.put_object(Bucket=bucket, Key=key + SUFFIX, Body=body, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] in _TAKEN:
            return False
        raise
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no passwd entry, as often in containers
        return f"user {os.getuid()}"
