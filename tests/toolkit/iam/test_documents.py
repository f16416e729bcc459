"""The deployers' policies as documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.environment.mistakes import VALID
from toolkit import iam
from toolkit.environment import Environment, load
from toolkit.errors import InputError
from toolkit.project import Project

NAMES = [*iam.NAMES, iam.BOUNDARY]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def project(checkout: Path, tmp_path: Path) -> Project:
    """A project with the policies' templates and no environment."""
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    (tmp_path / "policies").symlink_to(checkout / "policies")
    return Project(tmp_path)


def environment(project: Project, text: str = VALID, name: str = "dev") -> Environment:
    project.environment_file(name).write_text(text)
    return load(project, name)


def statements(project: Project, text: str, name: str) -> dict[str, dict[str, Any]]:
    parts = iam.document(project, environment(project, text), name)
    return {each["Sid"]: dict(each) for part in parts for each in part.statements}


@pytest.mark.parametrize("name", NAMES)
def test_each_statement_has_a_name_of_its_own(project: Project, name: str) -> None:
    (document,) = iam.document(project, environment(project), name)
    sids = [each["Sid"] for each in document.content["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_either_named_or_limited_by_a_condition(project: Project, name: str) -> None:
    (document,) = iam.document(project, environment(project), name)
    for each in document.statements:
        if each["Resource"] == "*":
            assert "WhichHave" in each["Sid"] and each["Condition"], each["Sid"]
        assert not [action for action in [*each["Action"]] if action == "*" or action.endswith(":*")]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_too_large_for_one_policy_becomes_several(project: Project, name: str) -> None:
    text = VALID.replace("name: llm", "name: sixteen-letters0").replace("us-east-1", "ap-southeast-2")
    buckets = f"model_store: {{bucket: {'m' * 63}}}\n  state: {{bucket: {'s' * 63}}}"
    text = text.replace("HuggingfaceExecuteRole}", f"{'R' * 64}}}\n  {buckets}")
    key = KEY.replace("us-east-1", "ap-southeast-2")
    text = text.replace("    aliases:", f"    kms_key_arn: {key}\n    aliases:")
    parts = iam.document(project, environment(project, text, "longest-of-names"), name)
    assert [part.policy_name.removeprefix("sixteen-letters0-longest-of-names-") for part in parts] == (
        [name, f"{name}-2"] if name == "sagemaker-deployer" else [name]
    )
    assert all(0 < part.characters <= iam.MAX_CHARACTERS for part in parts)
    sids = [each["Sid"] for part in parts for each in part.statements]
    assert set(sids) >= statements(project, VALID, name).keys()


def test_a_statement_that_is_too_large_is_an_error(project: Project) -> None:
    models = "".join(
        f"  m{number}:\n    serving: {{engine: vllm}}\n    source: {{path: weights/}}\n"
        f"    instance_type: ml.g6.xlarge\n    kms_key_arn: {KEY.replace('1234abcd', f'{number:08d}')}\n"
        for number in range(90)
    )
    text = VALID.replace("models:\n", f"models:\n{models}", 1)
    with pytest.raises(InputError, match=r"LendKeysToSageMaker .* alone has more than the 6144"):
        iam.document(project, environment(project, text), "sagemaker-deployer")


def test_names_are_escaped_and_the_partition_is_the_regions(project: Project) -> None:
    text = VALID.replace("us-east-1", "us-gov-west-1").replace("HuggingfaceExecuteRole", "'A+=,.@-B'")
    found = statements(project, text, "sagemaker-deployer")
    assert found["PassExecutionRoleToSageMaker"]["Resource"] == (
        "arn:aws-us-gov:iam::123456789012:role/A+=,.@-B"
    )
    assert "arn:aws:" not in json.dumps(found)


def test_the_execution_role_goes_to_sagemaker_alone(project: Project) -> None:
    for name in ("sagemaker-deployer", "operator"):
        passing = statements(project, VALID, name)["PassExecutionRoleToSageMaker"]
        assert passing["Resource"] == "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
        assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_keys_are_lent_only_where_a_model_has_one(project: Project) -> None:
    assert "LendKeysToSageMaker" not in statements(project, VALID, "sagemaker-deployer")
    text = VALID.replace("    aliases:", f"    kms_key_arn: {KEY}\n    aliases:")
    assert statements(project, text, "sagemaker-deployer")["LendKeysToSageMaker"]["Resource"] == [KEY]


def test_a_policy_that_does_not_exist_is_told(project: Project) -> None:
    with pytest.raises(InputError) as caught:
        iam.document(project, environment(project), "administrator")
    assert "sagemaker-deployer" in (caught.value.remedy or "")
