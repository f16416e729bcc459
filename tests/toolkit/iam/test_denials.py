"""Messages about denied requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.iam import denials, granted_by
from toolkit.project import Project

USER = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform"
ENDPOINT = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/llm-dev-chat"
DENIED = f"{USER}: sagemaker:CreateEndpoint on resource: {ENDPOINT} because no identity-based policy allows"
S3 = f'{USER}: s3:PutObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows it'


@pytest.fixture
def project(checkout: Path) -> Project:
    return Project(checkout)


def test_principal_action_and_resource_are_parsed(project: Project) -> None:
    first, second = denials.find(f"Error: {DENIED} the action\n{S3} action\n{DENIED} the action\n")
    assert str(first) == f"user/ann is not allowed to call sagemaker:CreateEndpoint on {ENDPOINT}"
    assert second.resource == "arn:aws:s3:::b/k"
    assert denials.find("Error: the endpoint failed") == []


def test_the_remedy_names_the_policies_with_the_action(project: Project) -> None:
    text = denials.remedy(project, denials.find(DENIED))
    assert "sagemaker-deployer or operator" in text
    assert "`toolkit iam show --env ENV sagemaker-deployer`" in text


def test_an_action_of_no_policy_needs_an_administrator(project: Project) -> None:
    text = denials.remedy(project, denials.find(f"{USER}: iam:CreateUser on resource: * because"))
    assert "administrator of the account" in text and "sagemaker-deployer" not in text


def test_an_explicit_deny_suggests_no_policy(project: Project) -> None:
    text = denials.remedy(project, denials.find(f"{DENIED} with an explicit deny in a permissions boundary"))
    assert "Deny statement" in text and "iam show" not in text


def test_actions_match_wildcards_and_ignore_case(project: Project) -> None:
    assert granted_by(project, "SageMaker:createendpoint") == ["sagemaker-deployer", "operator"]
    assert granted_by(project, "sagemaker:CreateTrainingJob") == []
    # Statements that a policy includes from another file.
    readers = ["sagemaker-deployer", "planner", "viewer"]
    assert granted_by(project, "sagemaker:DescribeModel") == readers
