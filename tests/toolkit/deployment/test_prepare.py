"""Errors that prevent a plan."""

from __future__ import annotations

import pytest

from tests.support.contexts import Opened
from toolkit.aws import state_bucket
from toolkit.deployment import prepare
from toolkit.errors import TerraformError
from toolkit.rendering import RuntimeVariables


def test_a_damaged_state_is_reported_with_its_address(environment: Opened) -> None:
    access, file = environment.context.access, environment.context.environment
    state_bucket.ensure(access, file.state_bucket)
    state_bucket.write(access, file.state_bucket, file.state_key, b'{"version": 4, "ser')
    with pytest.raises(TerraformError) as raised:
        prepare.plan(environment.context, "apply", RuntimeVariables(), staged={}, packages={})
    assert raised.value.where == f"s3://{file.state_bucket}/{file.state_key}"
    assert "restore an earlier version" in (raised.value.remedy or "")
    access.s3.delete_object(Bucket=file.state_bucket, Key=file.state_key)
