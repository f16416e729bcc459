"""Record an apply as a release only if it differs from the last one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.contexts import Opened, outputs
from toolkit.aws import state_bucket
from toolkit.deployment import releases
from toolkit.packaging import Package
from toolkit.rendering import RuntimeVariables


def recorded(environment: Opened, variables: str, code: bytes, *, changed: bool) -> int | None:
    """Record an apply; returns the number of its release, if it becomes one."""
    context = environment.context
    build: Path = context.project.environment_build(context.environment.name)
    build.mkdir(parents=True, exist_ok=True)
    (build / "inference.tfvars").write_text(variables)
    package = build / "gateway.zip"
    package.write_bytes(code)
    release = releases.record(
        context,
        outputs({}),
        action="apply",
        changed=changed,
        plan_digest="0" * 64,
        packages={package.name: Package(package, hashlib.sha256(code).hexdigest())},
        smoke_test=None,
    )
    return release.number if release else None


def test_the_next_apply_records_an_unrecorded_one(environment: Opened) -> None:
    state_bucket.ensure(environment.context.access, environment.context.environment.state_bucket)
    old, new = "a = 1\n", "a = 2\n"
    assert recorded(environment, old, b"code", changed=True) == 1
    assert recorded(environment, old, b"code", changed=False) is None
    RuntimeVariables({"m": {"AllTraffic": 3}}).write(environment.context.build)
    assert recorded(environment, old, b"code", changed=False) is None
    # Applied by a command that was interrupted before it could record it.
    assert recorded(environment, new, b"code", changed=False) == 2
    # Updated by `sync`.
    assert recorded(environment, new, b"new code", changed=False) == 3
    assert recorded(environment, new, b"new code", changed=False) is None
    # A return to an earlier configuration is a new release.
    assert recorded(environment, old, b"code", changed=True) == 4
