"""An opened environment: its typed file, access to its cloud, and what is resolved once per command."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import iam, rendering
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.deployment.attestations import Signer
from toolkit.environment import Environment, load, neighbours
from toolkit.errors import PreflightError
from toolkit.iam import Document
from toolkit.processes import is_rehearsal
from toolkit.project import Project
from toolkit.terraform import Program, Workspace, discover, stack_copy, state_file
from toolkit.terraform.state_file import State
from toolkit.tool_venvs import ensure

if TYPE_CHECKING:
    from toolkit.deployment.rollout.timeline import Recorder
    from toolkit.local.client import RunningCloud


class CloudNotRunningError(PreflightError):
    """The embedded cloud is not running, so nothing is deployed in it."""


@dataclass(frozen=True)
class Context:
    """An environment and everything needed to work on it.

    Attributes:
        project: the checkout.
        environment: the typed environment file.
        access: AWS, or the embedded cloud.
        console: the terminal or pipe.
        cloud_instance: identifies one run of the embedded cloud, whose state ends with it; None on AWS.
        lock_timeout_seconds: how long to wait for locks.
        recorder: records the rollout; None if it need not be recorded.
    """

    project: Project
    environment: Environment
    access: AwsAccess
    console: Console
    cloud_instance: str | None
    lock_timeout_seconds: int = 0
    recorder: Recorder | None = None

    @property
    def build(self) -> Path:
        """Folder of the environment's generated files."""
        return self.project.environment_build(self.environment.name)

    @property
    def signer(self) -> Signer | None:
        """Signs releases; None if the environment has no key for that."""
        key_arn = self.environment.evidence.kms_key_arn
        return None if key_arn is None else Signer(self.access.kms, key_arn)

    @property
    def state_uri(self) -> str:
        """Address of the inference stack's state."""
        return f"s3://{self.environment.state_bucket}/{self.environment.state_key}"

    @cached_property
    def program(self) -> Program:
        """Terraform, found or downloaded."""
        program = discover(self.project, self.console)
        self.console.line(f"using {program.describe()}")
        return program

    @cached_property
    def neighbours(self) -> list[Environment]:
        """The environments that share the account stack.

        Raises:
            EnvironmentFileError: one of their files is invalid.
        """
        return neighbours(self.project, self.environment)

    @cached_property
    def policy_documents(self) -> list[Document]:
        """IAM policies of the environment and its neighbours."""
        return iam.documents(self.project, [self.environment, *self.neighbours])

    @cached_property
    def state(self) -> State:
        """The inference stack's state as the last apply left it; empty before the first apply.

        Read from the bucket, without Terraform, once: `reload_state` reads it again.

        Raises:
            TerraformError: the state is damaged.
        """
        environment = self.environment
        content = state_bucket.read(self.access, environment.state_bucket, environment.state_key)
        return State() if content is None else state_file.parse(content, self.state_uri)

    def reload_state(self) -> State:
        """The state as it is now; needed after Terraform or another command may have changed it."""
        self.__dict__.pop("state", None)
        return self.state

    def state_changes(self, lineage: str, serial: int) -> list[str]:
        """A line if the state is now another version than a plan's; the state is read again."""
        now = self.reload_state()
        if now.serial == serial and now.lineage in ("", lineage):
            return []
        return [f"state: serial {serial} when planned, {now.serial} now"]

    def workspace(self, stack: str) -> Workspace:
        """Terraform's working directory for one of the environment's stacks, `account` or `inference`."""
        of_stack = f"--env {self.environment.name}" + ("" if stack == "inference" else f" --stack {stack}")
        backend_file = rendering.render_backend(self.environment, stack, self.build)
        return Workspace(
            program=self.program,
            project=self.project,
            stack=self.project.stack(stack),
            directory=self.build / stack,
            var_file=self.build / f"{stack}.tfvars",
            backend_file=backend_file,
            environment=self.access.process_environment(),
            console=self.console,
            lock_timeout_seconds=self.lock_timeout_seconds,
            unlock=f"toolkit unlock {of_stack}",
            push=f"toolkit state push {of_stack}",
        )


def _open_project() -> Project:
    project = Project.find()
    stack_copy.update(project)
    return project


def offline_context(name: str, console: Console) -> Context:
    """The context of environment `name` for work on files alone: no cloud is contacted.

    Raises:
        InputError: no project, or an invalid environment file.
    """
    project = _open_project()
    environment = load(project, name)
    access = AwsAccess(region=environment.region, account_id=environment.account_id)
    return Context(project, environment, access, console, None)


def open_context(name: str, console: Console, *, start_cloud: bool = False, lock_timeout: int = 0) -> Context:
    """Open environment `name` of the project that contains the working directory.

    Args:
        name: the environment.
        console: the terminal or pipe.
        start_cloud: start the embedded cloud if the environment needs it.
        lock_timeout: seconds to wait for locks.

    Raises:
        InputError: no project, or an invalid environment file.
        CloudNotRunningError: the environment is local and the embedded cloud is not running.
        PreflightError: the credentials belong to another account.
    """
    project = _open_project()
    environment = load(project, name)
    if not environment.is_local:
        access = aws_access(project, environment)
        access.check_account()
        return Context(project, environment, access, console, None, lock_timeout)

    from toolkit.local import client

    if start_cloud:
        # The cloud would install it too, but a failure would only show in its log.
        ensure(project, "lambda-runtime", console)
    cloud = client.ensure_running(project, console) if start_cloud else find_cloud(project, name)
    access = AwsAccess(environment.region, environment.account_id, cloud.endpoint_url, cloud.root_key)
    return Context(project, environment, access, console, cloud.instance_id, lock_timeout)


def aws_access(project: Project, environment: Environment) -> AwsAccess:
    """Access to the account of an environment for AWS; in a rehearsal, it is in an embedded cloud."""
    if not is_rehearsal():
        return AwsAccess(environment.region, environment.account_id)
    cloud = find_cloud(project, environment.name)
    return AwsAccess(environment.region, environment.account_id, cloud.endpoint_url, cloud.root_key)


def find_cloud(project: Project, name: str) -> RunningCloud:
    """The embedded cloud of a project.

    Args:
        project: the project.
        name: the environment that is deployed there.

    Raises:
        CloudNotRunningError: it is not running.
    """
    from toolkit.local import client

    cloud = client.find(project)
    if cloud is None:
        raise CloudNotRunningError(
            f"environment {name} is not deployed: the embedded cloud is not running",
            remedy=f"make apply ENV={name}",
        )
    return cloud
