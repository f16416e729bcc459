"""Promote tested models from one environment to another."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.contexts import Opened, opened, outputs
from toolkit import staging
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment import promotion, releases
from toolkit.environment import EnvironmentFileError, load
from toolkit.errors import InputError, PreflightError
from toolkit.packaging import Package

PASSED = [{"name": "endpoint InService", "ok": True}]
FAILED = [{"name": "endpoint InService", "ok": False}]
SOURCE = """\
    aliases: [chat]
    limits: {body_bytes: 4096}
"""
TARGET = """\
# Production.
target: local
name: llm
region: us-east-1
models:
  # The only model.
  m:
    serving:
      engine: llama_cpp
      options:
        ctx_size: 4096   # as measured
    source: {server: "http://127.0.0.1:11434/v1"}
    instance_type: ml.c7i.2xlarge   # larger than in dev
    # Two tolerate a failure.
    capacity: {min: 2, max: 4}
    fallback: spare
    # A reserve.
  spare:
    serving: {engine: llama_cpp}
    source: {server: "http://127.0.0.1:11434/v1"}
    instance_type: ml.c7i.xlarge
"""


@pytest.fixture
def dev(account: AwsAccess, tmp_path: Path, request: pytest.FixtureRequest) -> Opened:
    """An environment with a release that deployed its file, and another one in the same project."""
    name = "d" + hashlib.sha256(request.node.name.encode()).hexdigest()[:6]
    environment = opened(tmp_path, account, env=name, further=SOURCE)
    context = environment.context
    context.project.environment_file("prod").write_text(TARGET)
    state_bucket.ensure(account, context.environment.state_bucket)
    return environment


def deploy(dev: Opened, checks: list[dict[str, object]] | None) -> None:
    """Record a release of the environment file."""
    context = dev.context
    context.build.mkdir(parents=True, exist_ok=True)
    (context.build / "inference.tfvars").write_text("a = 1\n")
    package = context.build / "gateway.zip"
    package.write_bytes(b"code")
    releases.record(
        context,
        outputs({}),
        action="apply",
        changed=True,
        plan_digest="0" * 64,
        packages={package.name: Package(package, hashlib.sha256(b"code").hexdigest())},
        smoke_test=checks,
        definitions=promotion.definitions(
            context.environment, staging.locate(context.project, context.environment)
        ),
    )


def test_tested_keys_move_and_others_stay_with_their_comments(dev: Opened) -> None:
    deploy(dev, PASSED)
    change = promotion.prepare(dev.context, "prod", [])
    lines = [line for line in change.diff.splitlines()[2:] if line[0] in "+-"]
    assert sorted(line[0] + line[1:].strip() for line in lines) == [
        "+- chat",
        "+aliases:",
        "+body_bytes: 4096",
        "+limits:",
        "-ctx_size: 4096   # as measured",
        "-fallback: spare",
        "-options:",
    ]
    assert change.notes == [f"prod keeps spare, which {dev.context.environment.name} does not have"]
    change.path.write_text(change.text)
    promoted = load(dev.context.project, "prod").models["m"]
    assert (promoted.instance_type, promoted.capacity.max) == ("ml.c7i.2xlarge", 4)
    assert promotion.prepare(dev.context, "prod", []).diff == ""


def test_what_was_not_tested_is_refused(dev: Opened) -> None:
    with pytest.raises(PreflightError, match="has no release"):
        promotion.prepare(dev.context, "prod", [])
    deploy(dev, None)
    with pytest.raises(PreflightError, match="release 1 has not passed a smoke test") as caught:
        promotion.prepare(dev.context, "prod", [])
    assert "--record" in str(caught.value.remedy)
    release = releases.current(dev.context, outputs({}))
    releases.record_smoke_test(dev.context, outputs({}), release, FAILED)
    with pytest.raises(PreflightError, match="release 1 failed its last smoke test"):
        promotion.prepare(dev.context, "prod", [])
    releases.record_smoke_test(dev.context, outputs({}), release, PASSED)
    assert promotion.prepare(dev.context, "prod", ["m"]).diff


def test_a_file_that_is_not_deployed_is_refused(dev: Opened) -> None:
    deploy(dev, PASSED)
    context = dev.context
    file = context.project.environment_file(context.environment.name)
    file.write_text(file.read_text().replace("4096", "8192"))
    changed = replace(context, environment=load(context.project, context.environment.name))
    with pytest.raises(PreflightError, match="m in its file is not what release 1 deployed"):
        promotion.prepare(changed, "prod", [])
    # Capacity is not promoted, so it may differ.
    file.write_text(file.read_text().replace("8192", "4096") + "    capacity: {max: 3}\n")
    changed = replace(context, environment=load(context.project, context.environment.name))
    assert promotion.prepare(changed, "prod", []).diff


def test_a_result_that_would_be_invalid_is_refused(dev: Opened) -> None:
    deploy(dev, PASSED)
    file = dev.context.project.environment_file("prod")
    file.write_text(TARGET + "    aliases: [chat]\n")
    with pytest.raises(EnvironmentFileError, match="chat"):
        promotion.prepare(dev.context, "prod", [])


def test_unknown_names_are_refused(dev: Opened) -> None:
    own = dev.context.environment.name
    for target, models in (("prod", ["x"]), (own, []), ("missing", [])):
        with pytest.raises(InputError):
            promotion.prepare(dev.context, target, models)
