"""A state that an apply could not store is pushed only to the bucket that it belongs to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.contexts import opened
from tests.support.front import tags
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import unstored_state
from toolkit.errors import InputError, StateError

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


def test_a_missing_file_is_reported(context: Context, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        unstored_state.push(context, "inference", tmp_path / "errored.tfstate")


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
