"""The lock on a stack's state: who holds it, and clearing one that was left behind."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

from toolkit.aws import state_bucket
from toolkit.deployment import files
from toolkit.deployment.context import Context
from toolkit.deployment.locks import locking
from toolkit.errors import StateError

# The S3 backend's lock is an object beside the state.
SUFFIX = ".tflock"


@dataclass(frozen=True)
class Held:
    """A lock that somebody holds.

    Attributes:
        lock_id: Terraform's id of it; empty if what lies there is no lock that Terraform wrote.
        who: user and host.
        operation: "apply", "plan", …
        since: when it was taken, as Terraform writes it: UTC.
        address: where it lies.
    """

    lock_id: str
    who: str
    operation: str
    since: str
    address: str

    @property
    def is_of_this_machine(self) -> bool:
        """Whether it was taken on this machine, going by its name."""
        return self.who.rpartition("@")[2] == socket.gethostname()


def read(context: Context, stack: str) -> Held | None:
    """Who holds the lock on a stack's state; None if nobody does."""
    environment, key = context.environment, _key(context, stack)
    content = state_bucket.read(context.access, environment.state_bucket, key)
    if content is None:
        return None
    lock = _parsed(content)
    return Held(
        lock_id=lock.get("ID", ""),
        who=lock.get("Who", "somebody"),
        operation=lock.get("Operation", "").removeprefix("OperationType").lower() or "an operation",
        since=lock.get("Created", "an unknown time"),
        address=f"s3://{environment.state_bucket}/{key}",
    )


def explain(context: Context, held: Held) -> list[str]:
    """What is known of a lock, a line each.

    Raises:
        StateError: the command that holds it is at work on this machine.
    """
    if not held.lock_id:
        return [f"what lies in {held.address} is no lock of Terraform's: whose it is can't be told"]
    lines = [
        f"locked by {held.who} since {held.since}, for {held.operation}",
        f"lock {held.lock_id} in {held.address}",
    ]
    if not held.is_of_this_machine:
        return [*lines, "that is another machine: make sure that nothing runs there any more"]
    if locking.is_busy(context):
        raise StateError(
            "the lock is held by a command that is at work on this machine, or by the Terraform it started",
            where=held.address,
            remedy="wait until it has ended: --lock-timeout 10m waits",
        )
    gone = "that is this machine, and no command of this checkout is at work any more"
    return [*lines, f"{gone}: it was killed, unless another checkout works on the environment"]


def clear(context: Context, stack: str, held: Held) -> None:
    """Clear a lock; one that was taken since stays.

    Raises:
        TerraformError: there is no such lock any more.
    """
    if not held.lock_id:
        _remove_unreadable(context, stack)
        return
    files.write(context.project, context.environment, context.console)
    workspace = context.workspace(stack)
    workspace.init()
    workspace.force_unlock(held.lock_id)


def _remove_unreadable(context: Context, stack: str) -> None:
    """Remove what Terraform cannot read and so not clear, unless a lock has taken its place."""
    present = read(context, stack)
    if present is not None and not present.lock_id:
        bucket = context.environment.state_bucket
        context.access.s3.delete_object(Bucket=bucket, Key=_key(context, stack))


def _key(context: Context, stack: str) -> str:
    keys = {"inference": context.environment.state_key, "account": "account/terraform.tfstate"}
    return keys[stack] + SUFFIX


def _parsed(content: bytes) -> dict[str, str]:
    try:
        lock = json.loads(content)
    except ValueError:
        return {}
    return lock if isinstance(lock, dict) else {}
