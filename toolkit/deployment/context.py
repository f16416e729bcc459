"""One environment, opened: its file read, its cloud reachable, Terraform at hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.environment import Environment, load
from toolkit.errors import PreflightError
from toolkit.project import Project
from toolkit.terraform import Program, Workspace, discover
from toolkit.tool_venvs import ensure


@dataclass(frozen=True)
class Context:
    """What every capability needs to work on an environment.

    Attributes:
        project: the checkout.
        environment: the typed environment file.
        access: AWS, or the embedded cloud.
        console: the user.
        cloud_instance: identifies one life of the embedded cloud, whose state goes with it; None on AWS.
        lock_timeout_seconds: how long to wait for others who work on the environment.
    """

    project: Project
    environment: Environment
    access: AwsAccess
    console: Console
    cloud_instance: str | None
    lock_timeout_seconds: int = 0

    @cached_property
    def program(self) -> Program:
        """Terraform, found or fetched."""
        program = discover(self.project, self.console)
        self.console.line(f"using {program.describe()}")
        return program

    def workspace(self, stack: str) -> Workspace:
        """Terraform's working place for one of this environment's stacks, `account` or `inference`."""
        build = self.project.environment_build(self.environment.name)
        return Workspace(
            program=self.program,
            project=self.project,
            stack=self.project.stack(stack),
            directory=build / stack,
            var_file=build / f"{stack}.tfvars",
            backend_file=build / f"{stack}.tfbackend",
            environment=self.access.process_environment(),
            console=self.console,
            lock_timeout_seconds=self.lock_timeout_seconds,
            unlock=f"toolkit unlock --env {self.environment.name}"
            + ("" if stack == "inference" else f" --stack {stack}"),
        )


def open_context(name: str, console: Console, *, start_cloud: bool = False, lock_timeout: int = 0) -> Context:
    """Open environment `name` of the project that the working directory lies in.

    Args:
        name: the environment.
        console: the user.
        start_cloud: start the embedded cloud if the environment needs it and it does not run.
        lock_timeout: seconds to wait for others who work on the environment.

    Raises:
        InputError: no project, or a mistake in the environment file.
        PreflightError: the embedded cloud is not running, or the credentials are of another account.
    """
    project = Project.find()
    environment = load(project, name)
    if not environment.is_local:
        access = AwsAccess(region=environment.region, account_id=environment.account_id)
        access.check_account()
        return Context(project, environment, access, console, None, lock_timeout)

    from toolkit.local import client

    if start_cloud:
        # The cloud would install it by itself, but a failure would only be in its log.
        ensure(project, "lambda-runtime", console)
    cloud = client.ensure_running(project, console) if start_cloud else client.find(project)
    if cloud is None:
        raise PreflightError(
            f"environment {name} is not deployed: the embedded cloud is not running",
            remedy=f"make apply ENV={name}",
        )
    access = AwsAccess(
        region=environment.region, account_id=environment.account_id, endpoint_url=cloud.endpoint_url
    )
    return Context(project, environment, access, console, cloud.instance_id, lock_timeout)
