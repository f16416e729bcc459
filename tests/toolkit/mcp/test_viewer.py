"""The session of the role for agents, in the embedded cloud through AWS's own settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from tests.support.access import enforce_iam, root_client
from tests.support.checkout import ROOT
from tests.support.iam import document, trust
from toolkit.aws.access import AwsAccess
from toolkit.errors import PreflightError, ToolkitError
from toolkit.mcp import viewer
from toolkit.project import Project

ENVIRONMENT = (ROOT / "terraform" / "environments" / "dev.yaml").read_text()


@pytest.fixture
def project(tmp_path: Path, account: AwsAccess, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with an environment for AWS, whose user is an administrator."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text(f"{ENVIRONMENT}\naccount: {{agents: {{}}}}\n")
    (tmp_path / "environments" / "closed.yaml").write_text(ENVIRONMENT)
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(account.endpoint_url))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account.root_key[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", account.root_key[1])
    return Project(tmp_path)


def test_commands_get_a_session_of_the_role_and_nothing_else(
    project: Project, account: AwsAccess, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    trusted = document(trust({"AWS": "123456789012"}))
    iam = root_client(account, "iam")
    iam.create_role(RoleName="llm-dev-agent", AssumeRolePolicyDocument=trusted)
    request.addfinalizer(lambda: iam.delete_role(RoleName="llm-dev-agent"))
    session = viewer.assume_role(project, "dev")
    for name in ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "TOOLKIT_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "of-the-user")
    variables = viewer.variables(project, session)
    assert not {value for value in variables.values() if value in ("of-the-user", *account.root_key)}
    assert variables["AWS_ENDPOINT_URL"] == account.endpoint_url
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    monkeypatch.delenv("AWS_PROFILE")
    keys = {name.lower(): value for name, value in session.items()}
    sts = boto3.client("sts", endpoint_url=account.endpoint_url, region_name="us-east-1", **keys)
    assert sts.get_caller_identity()["Arn"].endswith(":assumed-role/llm-dev-agent/toolkit-mcp")


def test_commands_without_a_session_have_no_credentials(project: Project) -> None:
    variables = viewer.variables(project, {})
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(variables)
    # In the embedded cloud, they would otherwise be the root user.
    assert variables["TOOLKIT_LOCAL_ACCESS_KEY_ID"] == "none"


def test_no_file_of_the_user_gives_credentials(project: Project, tmp_path: Path) -> None:
    (tmp_path / ".boto").write_text("[Credentials]\naws_access_key_id = AKIA\naws_secret_access_key = s\n")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=A\naws_secret_access_key=s\n"
    )
    variables = {**viewer.variables(project, {}), "HOME": str(tmp_path)}
    script = "import boto3; print(boto3.Session().get_credentials())"
    result = subprocess.run(
        [sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=True
    )
    assert result.stdout == "None\n"


def test_an_environment_without_the_role_gives_no_access(project: Project) -> None:
    with pytest.raises(PreflightError, match="agents have no access to closed: it has no role") as error:
        viewer.assume_role(project, "closed")
    assert "add `agents: {}` to the section account, then run `toolkit bootstrap --env closed`" in str(
        error.value
    )


def test_a_missing_role_is_an_error(project: Project, account: AwsAccess) -> None:
    enforce_iam(account, True)
    try:
        # AWS does not say whether a role exists.
        with pytest.raises(ToolkitError, match="sts:AssumeRole"):
            viewer.assume_role(project, "dev")
    finally:
        enforce_iam(account, False)
