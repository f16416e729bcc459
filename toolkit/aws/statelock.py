"""The lock of a Terraform state in S3, as Terraform's own S3 backend takes it."""

from __future__ import annotations

import getpass
import json
import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.errors import StateError

# S3's answers to "only if there is none": there is one, or somebody else asks at this moment.
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Patience:
    """How long to wait for a lock.

    Attributes:
        seconds: of waiting; 0 gives up at once.
        console: who is told that it is waited for.
    """

    seconds: float
    console: Console


@contextmanager
def held(
    access: AwsAccess, bucket: str, key: str, operation: str, patience: Patience | None = None
) -> Iterator[None]:
    """Hold the lock of the state at `key` until the block ends.

    Args:
        access: the account.
        bucket: the state bucket.
        key: of the state.
        operation: what it is held for; whoever meets the lock is told.
        patience: with somebody else who holds it; by default none.

    Raises:
        StateError: somebody else holds it.
    """
    lock = f"{key}.tflock"
    info = {
        "ID": str(uuid.uuid4()),
        "Operation": operation,
        "Info": "",
        "Who": f"{_user()}@{platform.node()}",
        "Version": "",
        "Created": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "Path": f"{bucket}/{key}",
    }
    body = json.dumps(info).encode()
    if not _wait_and_take(access, bucket, lock, body, patience):
        raise _taken(access, bucket, key, lock)
    try:
        yield
    finally:
        access.s3.delete_object(Bucket=bucket, Key=lock)


def _wait_and_take(access: AwsAccess, bucket: str, lock: str, body: bytes, patience: Patience | None) -> bool:
    if _take(access, bucket, lock, body):
        return True
    if patience is None or patience.seconds <= 0:
        return False
    deadline = time.monotonic() + patience.seconds
    with patience.console.progress(f"waiting for the lock s3://{bucket}/{lock}") as progress:
        while (left := deadline - time.monotonic()) > 0:
            # Nobody tells that an object was deleted.
            time.sleep(min(POLL_SECONDS, left))
            if _take(access, bucket, lock, body):
                return True
            progress.update(f"{left:.0f} s more at most")
    return False


def _take(access: AwsAccess, bucket: str, lock: str, body: bytes) -> bool:
    try:
        access.s3.put_object(Bucket=bucket, Key=lock, Body=body, IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] in _TAKEN:
            return False
        raise
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # one whom the system does not know, as containers often have
        return f"user {os.getuid()}"


def _taken(access: AwsAccess, bucket: str, key: str, lock: str) -> StateError:
    try:
        info = json.loads(access.s3.get_object(Bucket=bucket, Key=lock)["Body"].read())
        holder = [f"{name}: {info[name]}" for name in ("Who", "Operation", "Created", "ID") if info.get(name)]
    except (ClientError, ValueError, TypeError, AttributeError):
        # Released in this moment, or written by something else.
        holder = []
    return StateError(
        "somebody else is working on this environment",
        where=f"s3://{bucket}/{key}",
        details=holder,
        remedy="run again when they are done; `toolkit unlock` clears a lock that was left behind",
    )
