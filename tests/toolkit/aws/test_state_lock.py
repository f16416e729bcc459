"""The state's lock, in the embedded cloud's S3."""

from __future__ import annotations

import pytest

from toolkit.aws import state_lock
from toolkit.aws.access import AwsAccess
from toolkit.errors import StateError


def test_one_holder_at_a_time(account: AwsAccess) -> None:
    account.s3.create_bucket(Bucket="locks")
    with state_lock.held(account, "locks", "a/state", "sync"):
        with (
            pytest.raises(StateError, match="state is locked") as refused,
            state_lock.held(account, "locks", "a/state", "sync"),
        ):
            pass
        assert "(sync)" in refused.value.details[0]
        with state_lock.held(account, "locks", "b/state", "sync"):
            pass
    with pytest.raises(KeyboardInterrupt), state_lock.held(account, "locks", "a/state", "sync"):
        raise KeyboardInterrupt
    assert account.s3.list_objects_v2(Bucket="locks")["KeyCount"] == 0
