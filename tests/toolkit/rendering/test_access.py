"""Policies and CI roles of an account, as variables of Terraform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.environment.everything import EVERYTHING
from toolkit import iam
from toolkit.environment import Environment, load
from toolkit.environment.account import Agents
from toolkit.project import Project
from toolkit.rendering.access import account_access


@pytest.fixture
def project(checkout: Path, tmp_path: Path) -> Project:
    """A project with policy templates and without environments."""
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    (tmp_path / "policies").symlink_to(checkout / "policies")
    return Project(tmp_path)


def everything(project: Project, name: str, text: str = EVERYTHING) -> Environment:
    project.environment_file(name).write_text(text)
    return load(project, name)


def test_policies_match_the_printed_ones(project: Project) -> None:
    environment = everything(project, "dev")
    documents = iam.documents(project, [environment])
    access = account_access([environment], documents)
    policies = access["policies"]
    assert isinstance(policies, dict)
    assert set(policies) >= {f"llm-dev-{name}" for name in (*iam.NAMES, iam.BOUNDARY)}
    for document in documents:
        assert json.loads(policies[document.policy_name]["document"]) == json.loads(document.json())


def test_each_environment_has_its_own_roles(project: Project) -> None:
    environments = [everything(project, "dev"), everything(project, "prod")]
    access = account_access(environments, iam.documents(project, environments))
    policies, roles = access["policies"], access["ci_roles"]
    assert isinstance(policies, dict) and isinstance(roles, dict)
    assert {"llm-dev-viewer", "llm-prod-viewer"} <= set(policies)
    assert set(roles) == {
        f"llm-{env}-{role}"
        for env in ("dev", "prod")
        for role in ("agent", "ci-deploy", "ci-plan", "ci-viewer")
    }


def test_a_ci_role_has_subjects_and_complete_policies(project: Project) -> None:
    environment = everything(project, "dev")
    documents = iam.documents(project, [environment])
    second = iam.Document("api-deployer-2", "llm-dev-api-deployer-2", "", ({"Sid": "S"},))
    access = account_access([environment], [*documents, second])
    assert isinstance(access["ci_roles"], dict)
    role = access["ci_roles"]["llm-dev-ci-deploy"]
    assert role["subjects"] == [
        "repo:example/llm:ref:refs/heads/main",
        "repo:example/llm:ref:refs/heads/release/*",
        "repo:example/llm:ref:refs/tags/v1.0",
        "repo:example/llm:environment:production",
    ]
    assert (role["issuer"], role["audience"]) == (
        "token.actions.githubusercontent.com",
        "sts.amazonaws.com",
    )
    parts = {name for name in role["policies"] if name.startswith("llm-dev-api-deployer")}
    assert parts >= {"llm-dev-api-deployer", "llm-dev-api-deployer-2"}
    plan = access["ci_roles"]["llm-dev-ci-plan"]
    parts_of = {
        name: [item.policy_name for item in documents if item.name.startswith(name)]
        for name in ("planner", "viewer")
    }
    assert (plan["policies"], plan["subjects"]) == (
        parts_of["planner"],
        ["repo:example@123456/llm@456789:ref:refs/heads/main", "repo:example@123456/llm@456789:pull_request"],
    )
    viewer = access["ci_roles"]["llm-dev-ci-viewer"]
    assert (viewer["audience"], viewer["policies"]) == ("https://gitlab.example.com", parts_of["viewer"])
    assert access["existing_providers"] == ["gitlab.example.com"]


def test_the_role_of_agents_can_only_view(project: Project) -> None:
    plain = everything(project, "dev")
    documents = iam.documents(project, [plain])
    developer = "arn:aws:iam::123456789012:role/Developer"

    def roles(principals: tuple[str, ...]) -> dict[str, Any]:
        account = plain.account.model_copy(update={"agents": Agents(principals=principals)})
        access = account_access([plain.model_copy(update={"account": account})], documents)
        assert isinstance(access["ci_roles"], dict)
        return dict(access["ci_roles"])

    viewer = [item.policy_name for item in documents if item.name.startswith("viewer")]
    assert roles((developer,))["llm-dev-agent"] == {"principals": [developer], "policies": viewer}
    assert roles(())["llm-dev-agent"]["principals"] == [f"arn:aws:iam::{plain.account_id}:root"]
