"""Explain and clear the lock on a state."""

from __future__ import annotations

import pytest

from tests.support.contexts import Opened
from toolkit.aws import state_bucket, state_lock
from toolkit.deployment import locks
from toolkit.errors import StateError
from toolkit.lock_info import LockInfo

ID = b'"ID": "8c58637e-e1c3-59fc-261f-041ffcbf371c"'


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"[" * 10_000, b'{"ID": "' + b"x" * 10**6 + b'"}']
)
def test_an_invalid_lock_is_reported_and_cleared(environment: Opened, content: bytes) -> None:
    context = environment.context
    access, file = context.access, context.environment
    state_bucket.ensure(access, file.state_bucket)
    state_bucket.write(access, file.state_bucket, file.state_key + state_lock.SUFFIX, content)
    lock = locks.read(context, "inference")
    assert lock is not None
    (line,) = locks.explain(context, "inference", lock)
    assert f"s3://{file.state_bucket}/{file.state_key}.tflock" in line
    locks.clear(context, "inference", lock)
    assert locks.read(context, "inference") is None


@pytest.mark.parametrize(
    "member", [b'"Who": 7', b'"Created": "yesterday"', b'"Info": {}', b'"Operation": null']
)
def test_a_lock_that_terraform_cannot_read_is_cleared(environment: Opened, member: bytes) -> None:
    context = environment.context
    access, file = context.access, context.environment
    state_bucket.ensure(access, file.state_bucket)
    content = b"{" + ID + b", " + member + b"}"
    state_bucket.write(access, file.state_bucket, file.state_key + state_lock.SUFFIX, content)
    lock = locks.read(context, "inference")
    assert lock is not None
    assert lock.id in locks.explain(context, "inference", lock)[1]
    locks.clear(context, "inference", lock)
    assert locks.read(context, "inference") is None


def test_a_lock_acquired_since_is_not_cleared(environment: Opened) -> None:
    context = environment.context
    access, file = context.access, context.environment
    state_bucket.ensure(access, file.state_bucket)
    unreadable = LockInfo("", "somebody", "an operation", "an unknown time")
    with state_lock.held(access, file.state_bucket, file.state_key, "sync"):
        with pytest.raises(StateError, match="replaced meanwhile"):
            locks.clear(context, "inference", unreadable)
        lock = locks.read(context, "inference")
        assert lock is not None
        assert lock.operation == "sync"
