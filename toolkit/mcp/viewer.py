"""Credentials of a tool's command: a session of the role for agents, limited to `viewer`, or none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from toolkit import iam
from toolkit.aws.access import LOCAL_SETTINGS, AwsAccess
from toolkit.aws.errors import explain
from toolkit.deployment.context import aws_access, find_cloud
from toolkit.environment import Environment, load
from toolkit.errors import PreflightError
from toolkit.iam.template_variables import Arns, agent_role
from toolkit.processes import environment_without_secrets
from toolkit.project import Project

# The name in AWS CloudTrail.
SESSION: Final = "toolkit-mcp"
POLICY: Final = "viewer"
# A command that takes longer ends with an error about expired credentials, and changes nothing.
_SECONDS: Final = 3600
# Settings of a connection that a command keeps. A profile could select other credentials.
_KEPT = ("AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_USE_")
_NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    # botocore also reads the configuration of its predecessor.
    "BOTO_CONFIG": os.devnull,
    # In the embedded cloud, a command without a key would be the root user.
    **dict.fromkeys(LOCAL_SETTINGS.values(), "none"),
}


def variables(project: Project, session: Mapping[str, str]) -> dict[str, str]:
    """All environment variables of a command.

    Args:
        project: the project.
        session: from `assume_role`; empty for no access.
    """
    inherited = {
        name: value
        for name, value in environment_without_secrets().items()
        if not name.startswith("AWS_") or name.startswith(_KEPT)
    }
    return {**inherited, **_NO_CREDENTIALS, **session, "TOOLKIT_PROJECT": str(project.root)}


def assume_role(project: Project, name: str) -> dict[str, str]:
    """A session of an environment's role for agents, as environment variables.

    The session policy limits it to `viewer`, whatever else is attached to the role. Source: "Session
    policies" in the IAM user guide.

    Raises:
        ToolkitError: the environment has no such role, or you may not assume it.
    """
    environment = load(project, name)
    if environment.account.agents is None:
        then = "apply" if environment.is_local else "bootstrap"
        raise PreflightError(
            f"agents have no access to {name}: it has no role for them",
            where=str(environment.file),
            remedy=f"add `agents: {{}}` to the section account, then run `toolkit {then} --env {name}`",
        )
    access = _access(project, environment)
    arns = Arns(environment.region, environment.account_id)
    parts = iam.document(project, environment, POLICY)
    try:
        response = access.sts.assume_role(
            RoleArn=arns.iam(f"role/{agent_role(environment)}"),
            RoleSessionName=SESSION,
            PolicyArns=[{"arn": arns.iam(f"policy/{part.policy_name}")} for part in parts],
            DurationSeconds=_SECONDS,
        )
    except (BotoCoreError, ClientError) as error:
        raise explain(error) or error from error
    credentials = response["Credentials"]
    session = {
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }
    if environment.is_local:
        return {LOCAL_SETTINGS[key]: value for key, value in session.items()}
    return session


def _access(project: Project, environment: Environment) -> AwsAccess:
    """Access with the user's own credentials, or as the root user of the embedded cloud."""
    if not environment.is_local:
        return aws_access(project, environment)
    cloud = find_cloud(project, environment.name)
    return AwsAccess(environment.region, environment.account_id, cloud.endpoint_url, cloud.root_key)
