"""The documents of the deployers' policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.environment.invalid_files import VALID, in_region
from toolkit import iam
from toolkit.environment import Environment, load
from toolkit.errors import InputError
from toolkit.project import Project

NAMES = [*iam.NAMES, iam.BOUNDARY]
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def project(checkout: Path, tmp_path: Path) -> Project:
    """A project with policy templates and without environments."""
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    (tmp_path / "policies").symlink_to(checkout / "policies")
    return Project(tmp_path)


def environment(project: Project, text: str = VALID, name: str = "dev") -> Environment:
    project.environment_file(name).write_text(text)
    return load(project, name)


def statements(project: Project, text: str, name: str) -> dict[str, dict[str, Any]]:
    parts = iam.document(project, environment(project, text), name)
    return {statement["Sid"]: dict(statement) for part in parts for statement in part.statements}


@pytest.mark.parametrize("name", NAMES)
def test_statements_have_unique_alphanumeric_sids(project: Project, name: str) -> None:
    (document,) = iam.document(project, environment(project), name)
    sids = [statement["Sid"] for statement in document.content["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)


@pytest.mark.parametrize("name", NAMES)
def test_wildcard_resources_have_a_condition(project: Project, name: str) -> None:
    (document,) = iam.document(project, environment(project), name)
    for statement in document.statements:
        if statement["Resource"] == "*":
            assert statement["Sid"].endswith("AnyResource") and statement["Condition"], statement["Sid"]
        assert not [action for action in [*statement["Action"]] if action == "*" or action.endswith(":*")]


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_above_the_limit_is_split(project: Project, name: str) -> None:
    text = VALID.replace("name: llm", "name: sixteen-letters0").replace("us-east-1", "ap-southeast-2")
    buckets = f"model_store: {{bucket: {'m' * 63}}}\n  state: {{bucket: {'s' * 63}}}"
    text = text.replace("HuggingfaceExecuteRole}", f"{'R' * 64}}}\n  {buckets}")
    key = KEY.replace("us-east-1", "ap-southeast-2")
    text = text.replace("    aliases:", f"    kms_key_arn: {key}\n    aliases:")
    parts = iam.document(project, environment(project, text, "longest-of-names"), name)
    assert [part.policy_name.removeprefix("sixteen-letters0-longest-of-names-") for part in parts] == (
        [name, f"{name}-2"] if name in ("sagemaker-deployer", "api-deployer", "viewer") else [name]
    )
    assert all(0 < part.characters <= iam.MAX_CHARACTERS for part in parts)
    sids = [statement["Sid"] for part in parts for statement in part.statements]
    assert set(sids) >= statements(project, VALID, name).keys()


def test_a_statement_above_the_limit_is_an_error(project: Project) -> None:
    models = "".join(
        f"  m{number}:\n    serving: {{engine: vllm}}\n    source: {{path: weights/}}\n"
        f"    instance_type: ml.g6.xlarge\n    kms_key_arn: {KEY.replace('1234abcd', f'{number:08d}')}\n"
        for number in range(90)
    )
    text = VALID.replace("models:\n", f"models:\n{models}", 1)
    with pytest.raises(InputError, match=r"GrantKeysToSageMaker exceeds IAM's limit of 6144"):
        iam.document(project, environment(project, text), "sagemaker-deployer")


def test_names_are_escaped_and_the_partition_fits_the_region(project: Project) -> None:
    text = in_region("us-gov-west-1").replace("HuggingfaceExecuteRole", "'A+=,.@-B'")
    by_sid = statements(project, text, "sagemaker-deployer")
    assert by_sid["PassExecutionRoleToSageMaker"]["Resource"] == (
        "arn:aws-us-gov:iam::123456789012:role/A+=,.@-B"
    )
    assert "arn:aws:" not in json.dumps(by_sid)


def test_the_execution_role_is_passed_only_to_sagemaker(project: Project) -> None:
    for name in ("sagemaker-deployer", "operator"):
        passing = statements(project, VALID, name)["PassExecutionRoleToSageMaker"]
        assert passing["Resource"] == "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
        assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}


def test_key_grants_exist_only_for_models_with_a_key(project: Project) -> None:
    assert "GrantKeysToSageMaker" not in statements(project, VALID, "sagemaker-deployer")
    text = VALID.replace("    aliases:", f"    kms_key_arn: {KEY}\n    aliases:")
    assert statements(project, text, "sagemaker-deployer")["GrantKeysToSageMaker"]["Resource"] == [KEY]


def test_only_the_declared_signer_signs(project: Project) -> None:
    signed = f"{VALID}evidence: {{kms_key_arn: {KEY}}}\n"
    for name in NAMES:
        actions = {
            statement["Action"]: statement["Resource"]
            for statement in statements(project, signed, name).values()
            if "kms:" in str(statement["Action"])
        }
        signs = name in ("sagemaker-deployer", "operator")
        # `preflight` describes the key.
        reads = {"kms:DescribeKey": [KEY]} if name in ("planner", "viewer", "api-deployer") else {}
        expected = {"kms:Sign": KEY} if signs else {"kms:GetPublicKey": KEY} if name == "viewer" else {}
        assert actions == expected | reads
        assert "kms:" not in json.dumps(statements(project, VALID, name))


def test_an_unknown_policy_lists_the_valid_ones(project: Project) -> None:
    with pytest.raises(InputError) as caught:
        iam.document(project, environment(project), "administrator")
    assert "sagemaker-deployer" in (caught.value.remedy or "")
