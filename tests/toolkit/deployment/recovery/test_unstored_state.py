"""A state that an apply could not store is pushed only to the bucket that it belongs to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.contexts import opened
from tests.support.front import tags
from toolkit.aws import state_bucket, state_lock
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import unstored_state
from toolkit.errors import InputError, StateError, TerraformError

LINEAGE = "5b042977-70d9-1fc6-9f7d-93b41f852ded"


def state(env: str = "unstored", stack: str = "inference", **members: Any) -> dict[str, Any]:
    """A state with one tagged resource, as the AWS provider writes it."""
    attributes = {"id": "llm-x-gateway", "tags_all": {**tags(env), "stack": stack, "team": "x"}}
    role = {"mode": "managed", "type": "aws_iam_role", "name": "a", "instances": [{"attributes": attributes}]}
    untagged = {"mode": "managed", "type": "terraform_data", "name": "b", "instances": [{"attributes": {}}]}
    resources = {"outputs": {}, "resources": [role, untagged]}
    return {"version": 4, "lineage": LINEAGE, "serial": 3, **resources, **members}


@pytest.fixture
def context(account: AwsAccess, tmp_path: Path) -> Context:
    """An environment whose stored state has the serial 2."""
    context = opened(tmp_path / "unstored", account, env="unstored").context
    environment = context.environment
    state_bucket.ensure(account, environment.state_bucket)
    content = json.dumps(state(serial=2)).encode()
    state_bucket.write(account, environment.state_bucket, environment.state_key, content)
    return context


def keep(context: Context, content: dict[str, Any]) -> Path:
    """The file that an apply which could not store this state leaves."""
    folder = context.build / "inference"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "errored-20261130T093600Z.tfstate"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (state(lineage="other"), StateError, f"its lineage other is not that of the stored state, {LINEAGE}"),
        (state(serial=2), StateError, "its serial 2 is not newer than that of the stored state, 2"),
        (state(serial=1), StateError, "its serial 1 is not newer than that of the stored state, 2"),
        (state(env="prod"), InputError, "it belongs to another environment or stack"),
        (state(stack="account"), InputError, "it belongs to another environment or stack"),
    ],
)
def test_a_state_that_does_not_fit_is_not_pushed(
    context: Context, content: dict[str, Any], error: type[Exception], message: str
) -> None:
    path = keep(context, content)
    with pytest.raises(error, match=message):
        unstored_state.push(context, "inference", path)
    assert json.loads(path.read_text()) == content
    assert context.reload_state().serial == 2


def test_another_environments_first_state_is_not_pushed_either(context: Context, account: AwsAccess) -> None:
    """Terraform accepts any state while none is stored."""
    account.s3.delete_object(Bucket=context.environment.state_bucket, Key=context.environment.state_key)
    with pytest.raises(InputError, match="it belongs to another environment"):
        unstored_state.push(context, "inference", keep(context, state(env="prod")))


@pytest.mark.parametrize(
    ("path", "reason"), [(".", "this is a folder"), ("missing", "no such file"), ("/dev/null", "not a file")]
)
def test_a_path_that_is_not_a_file_is_described(
    context: Context, tmp_path: Path, path: str, reason: str
) -> None:
    with pytest.raises(InputError, match=f"cannot push the state: {reason}"):
        unstored_state.push(context, "inference", tmp_path / path)


@pytest.mark.parametrize("content", ["", "PK\x03\x04", "[]", '{"version": 3}', json.dumps(state())[:-9]])
def test_a_file_that_is_not_a_state_is_a_mistake_of_the_user(context: Context, content: str) -> None:
    path = keep(context, state())
    path.write_text(content)
    for use in (unstored_state.require_stored, lambda of: unstored_state.push(of, "inference", path)):
        with pytest.raises(InputError, match="it is not a Terraform state") as caught:
            use(context)
        assert (caught.value.exit_code, caught.value.where) == (2, context.project.relative(path))
        assert caught.value.details and caught.value.remedy
    assert context.reload_state().serial == 2


def test_an_earlier_version_replaces_a_damaged_state(context: Context, account: AwsAccess) -> None:
    bucket, key = context.environment.state_bucket, context.environment.state_key
    account.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    state_bucket.write(account, bucket, key, json.dumps(state(serial=7)).encode())
    state_bucket.write(account, bucket, key, json.dumps(state(serial=8)).encode()[:100])
    with pytest.raises(TerraformError, match="cannot read the state"):
        context.reload_state()
    versions = account.s3.list_object_versions(Bucket=bucket, Prefix=key)["Versions"]
    earlier = account.s3.get_object(Bucket=bucket, Key=key, VersionId=versions[1]["VersionId"])["Body"]
    path = context.build / "earlier.tfstate"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(earlier.read())

    with pytest.raises(InputError, match="it belongs to another environment"):
        unstored_state.push(context, "inference", keep(context, state(env="prod")))
    with pytest.raises(InputError, match="no resources of this stack"):
        unstored_state.push(context, "inference", keep(context, {**state(serial=99), "resources": []}))
    with state_lock.held(account, bucket, key, "apply"), pytest.raises(StateError, match="state is locked"):
        unstored_state.push(context, "inference", path)
    unstored_state.push(context, "inference", path)
    assert context.reload_state().serial == 7
    assert path.is_file()
    # Now it is not damaged.
    with pytest.raises(StateError, match="is not newer"):
        unstored_state.push(context, "inference", path)


def test_a_state_that_another_run_restored_meanwhile_stays(
    context: Context, account: AwsAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, key = context.environment.state_bucket, context.environment.state_key
    state_bucket.write(account, bucket, key, b"damaged")
    held = state_lock.held

    @contextmanager
    def held_after_another_run(*arguments: Any) -> Iterator[None]:
        state_bucket.write(account, bucket, key, json.dumps(state(serial=9)).encode())
        with held(*arguments):
            yield

    monkeypatch.setattr(state_lock, "held", held_after_another_run)
    with pytest.raises(StateError, match="another run has restored it"):
        unstored_state.push(context, "inference", keep(context, state(serial=7)))
    assert context.reload_state().serial == 9


def test_an_unstored_state_must_be_pushed_first(context: Context) -> None:
    path = keep(context, state())
    with pytest.raises(StateError) as caught:
        unstored_state.require_stored(context)
    file = context.project.relative(path)
    assert f"toolkit state push --env unstored {file};" in str(caught.value.remedy)


def test_an_unstored_first_state_must_be_pushed_too(context: Context, account: AwsAccess) -> None:
    account.s3.delete_object(Bucket=context.environment.state_bucket, Key=context.environment.state_key)
    path = keep(context, state())
    # A new embedded cloud has lost the resources, too.
    unstored_state.require_stored(context)
    on_aws = replace(context, environment=context.environment.model_copy(update={"target": "aws"}))
    with pytest.raises(StateError, match="lacks the state of an earlier command") as caught:
        unstored_state.require_stored(on_aws)
    assert caught.value.where == context.project.relative(path)


@pytest.mark.parametrize("outdated", [{"serial": 2}, {"lineage": "of a deleted environment"}])
def test_states_that_cannot_be_pushed_block_nothing(context: Context, outdated: dict[str, Any]) -> None:
    keep(context, state(**outdated))
    unstored_state.require_stored(context)
