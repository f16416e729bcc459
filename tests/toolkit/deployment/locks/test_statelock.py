"""The lock on a state, as `toolkit unlock` finds it."""

from __future__ import annotations

import pytest

from tests.support.contexts import Opened
from toolkit.aws import state_bucket
from toolkit.aws import statelock as lock
from toolkit.deployment.locks import statelock


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_what_is_no_lock_is_told_and_cleared(environment: Opened, content: bytes) -> None:
    context = environment.context
    access, file = context.access, context.environment
    state_bucket.ensure(access, file.state_bucket)
    state_bucket.write(access, file.state_bucket, file.state_key + statelock.SUFFIX, content)
    held = statelock.read(context, "inference")
    assert held is not None
    (said,) = statelock.explain(context, held)
    assert f"s3://{file.state_bucket}/{file.state_key}.tflock" in said
    statelock.clear(context, "inference", held)
    assert statelock.read(context, "inference") is None


def test_a_lock_that_was_taken_since_stays(environment: Opened) -> None:
    context = environment.context
    access, file = context.access, context.environment
    state_bucket.ensure(access, file.state_bucket)
    unreadable = statelock.Held("", "somebody", "an operation", "an unknown time", "there")
    with lock.held(access, file.state_bucket, file.state_key, "sync"):
        statelock.clear(context, "inference", unreadable)
        held = statelock.read(context, "inference")
        assert held is not None
        assert held.operation == "sync"
