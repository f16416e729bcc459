"""The policies pass a linter of IAM policies, which finds deliberate mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import parliament
import pytest

from tests.toolkit.environment.everything import EVERYTHING
from toolkit import iam
from toolkit.environment import load
from toolkit.project import Project


@pytest.fixture(scope="module")
def documents(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The policies of an environment with every feature."""
    root = tmp_path_factory.mktemp("linted")
    (root / "terraform" / "environments").mkdir(parents=True)
    (root / "policies").symlink_to(checkout / "policies")
    (root / "terraform" / "environments" / "dev.yaml").write_text(EVERYTHING)
    project = Project(root)
    return {document.name: document.json() for document in iam.documents(project, [load(project, "dev")])}


def findings(document: str) -> list[tuple[str, str, str]]:
    analysis = parliament.analyze_policy_string(document)
    enhanced = [parliament.enhance_finding(finding) for finding in analysis.findings]
    return [(finding.severity, finding.issue, str(finding.detail)) for finding in enhanced]


def test_the_policies_have_no_findings(documents: dict[str, str]) -> None:
    assert {"sagemaker-deployer", "api-deployer", "viewer", "operator"} <= documents.keys()
    for name, document in documents.items():
        assert findings(document) == [], name


@pytest.mark.parametrize(
    ("right", "mistake", "issue"),
    [
        ("sagemaker:CreateModel", "sagemaker:MakeModel", "UNKNOWN_ACTION"),
        ("iam:PassedToService", "iam:PassedTo", "UNKNOWN_CONDITION_FOR_ACTION"),
        ("arn:aws:iam::123456789012:role/HuggingfaceExecuteRole", "arn:aws:s3:::b", "RESOURCE_MISMATCH"),
    ],
)
def test_the_linter_finds_a_mistake(documents: dict[str, str], right: str, mistake: str, issue: str) -> None:
    document = documents["sagemaker-deployer"].replace(right, mistake)
    assert json.loads(document)
    assert issue in {actual for _, actual, _ in findings(document)}
