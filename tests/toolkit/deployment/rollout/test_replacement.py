"""Endpoints that are deleted before their replacement."""

from __future__ import annotations

import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cloud import Engine, Hosting
from tests.support.contexts import Opened, unchanged
from tests.support.patience import HANG_SECONDS, wait_for
from toolkit.aws import state_lock
from toolkit.deployment.rollout.repair import delete_before_create
from toolkit.errors import StateError
from toolkit.terraform import Plan


@pytest.fixture
def plan(environment: Opened, tmp_path: Path) -> Plan:
    """A plan based on the environment's state."""
    planned = replace(unchanged(environment, {}).plan, path=tmp_path / "replace.tfplan")
    with zipfile.ZipFile(planned.path, "w") as archive:
        archive.writestr("tfstate", json.dumps({"lineage": "test", "serial": 1}))
    return planned


def test_a_plan_that_goes_stale_during_the_lock_changes_nothing(
    environment: Opened, plan: Plan, hosting: Hosting, engine: Engine
) -> None:
    name = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(name)
    context, file = environment.context, environment.context.environment
    lock = (context.access, file.state_bucket, file.state_key, "apply")
    with state_lock.held(*lock), pytest.raises(StateError, match="state is locked"):
        delete_before_create(context, plan, [name])

    waiting_context = replace(context, lock_timeout_seconds=int(HANG_SECONDS))
    with ThreadPoolExecutor() as pool:
        with state_lock.held(*lock):
            waiting = pool.submit(delete_before_create, waiting_context, plan, [name])
            wait_for(
                lambda: (
                    waiting.done() or any("waiting for the lock" in line for line in environment.stderr_lines)
                )
            )
            _count_up(environment)
        with pytest.raises(StateError, match="stale"):
            waiting.result()
    assert hosting.settled(name)["EndpointStatus"] == "InService"

    _count_up(environment, -1)
    delete_before_create(context, plan, [name])
    assert not hosting.exists(name)


def _count_up(environment: Opened, by: int = 1) -> None:
    """Store another version of the state, like another apply."""
    context, file = environment.context, environment.context.environment
    location = {"Bucket": file.state_bucket, "Key": file.state_key}
    state = json.loads(context.access.s3.get_object(**location)["Body"].read())
    state["serial"] += by
    context.access.s3.put_object(**location, Body=json.dumps(state).encode())
