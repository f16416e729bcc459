"""Terraform on a copy of terraform/, and its plans."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.support.checkout import ROOT
from tests.support.cloudprocess import CloudProcess
from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import Counts, Plan, Program, Workspace, discover

ACCOUNT = "123456789012"
REGION = "us-east-1"
PROVIDER = re.compile(r'provider "aws" \{\n  region = "us-east-1"\n\}\n+')


@dataclass(frozen=True)
class Planned:
    """A plan in the format of `terraform show`."""

    content: dict[str, Any]

    @cached_property
    def changes(self) -> dict[str, dict[str, Any]]:
        """Changes by address, without reads and unchanged resources."""
        changed = {change["address"]: change["change"] for change in self.content["resource_changes"]}
        return {a: c for a, c in changed.items() if c["actions"] not in (["no-op"], ["read"])}

    def values(self, address: str) -> dict[str, Any]:
        """The planned values of a resource; values known after apply are absent or null."""
        return dict(self.changes[address]["after"])

    def addresses(self, prefix: str) -> set[str]:
        """Return resources created in a module, relative to the module's address."""
        created = {a for a, c in self.changes.items() if c["actions"] == ["create"]}
        return {a.removeprefix(f"{prefix}.") for a in created if a.startswith(f"{prefix}.")}

    def output(self, name: str) -> Any:
        """Return the planned value of an output."""
        return self.content["planned_values"]["outputs"][name].get("value")

    def policy(self, address: str, attribute: str = "policy") -> dict[str, dict[str, Any]]:
        """The statements of an IAM policy, by Sid."""
        return statements(self.values(address)[attribute])


def statements(policy: str) -> dict[str, dict[str, Any]]:
    """The statements of a policy document by Sid; single actions and resources as lists, sorted."""

    def plain(statement: dict[str, Any]) -> dict[str, Any]:
        lists = {
            key: sorted([value] if isinstance(value, str) else value)
            for key, value in statement.items()
            if key in ("Action", "Resource")
        }
        return {key: value for key, value in {**statement, **lists}.items() if key != "Sid"}

    return {statement.get("Sid", ""): plain(statement) for statement in json.loads(policy)["Statement"]}


@dataclass
class Rig:
    """Terraform on a copy of terraform/, against a cloud.

    Attributes:
        project: the copy.
        program: Terraform.
        cloud: the embedded cloud.
    """

    project: Project
    program: Program
    cloud: CloudProcess

    def workspace(
        self, stack: Path, variables: dict[str, Any], backend: dict[str, Any] | None = None
    ) -> Workspace:
        """Return an initialized workspace on a folder of the copy; state is in `backend` or in the folder."""
        directory = self.project.environment_build("test") / "-".join(stack.parts[-3:])
        directory.mkdir(parents=True, exist_ok=True)
        var_file = _write(directory / "test.tfvars.json", variables)
        backend_file = _backend(directory / "test.tfbackend", backend) if backend else None
        return self.open(stack, directory, var_file, backend_file)

    def open(self, stack: Path, directory: Path, var_file: Path, backend_file: Path | None) -> Workspace:
        """Return an initialized workspace with existing files."""
        workspace = Workspace(
            program=self.program,
            project=self.project,
            stack=stack,
            directory=directory,
            environment=self.cloud.access.process_environment(),
            console=Console(err=io.StringIO(), interactive=False),
            var_file=var_file,
            backend_file=backend_file,
        )
        workspace.init()
        return workspace

    def root(self, name: str, text: str) -> Path:
        """Create a root module of a test, next to the modules."""
        folder = self.project.root / "terraform" / "tests" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.tf").write_text(text)
        return folder


@dataclass(frozen=True)
class Account:
    """The account stack, applied.

    Attributes:
        workspace: of the stack.
        counts: changes of the first apply.
        backend: settings for the state of another stack.
        cloud: the embedded cloud.
    """

    workspace: Workspace
    counts: Counts
    backend: dict[str, Any]
    cloud: CloudProcess


def apply_account(rig: Rig) -> Account:
    """Apply the account stack like `toolkit bootstrap`, with the state in the bucket that it imports."""
    rig.cloud.client("s3").create_bucket(Bucket="example-state")
    backend = {"bucket": "example-state", "region": REGION, "use_lockfile": True, "encrypt": True}
    workspace = rig.workspace(
        rig.project.stack("account"),
        {
            "region": REGION,
            "account_id": ACCOUNT,
            "name": "example",
            "tags": {"team": "platform"},
            "execution_role": {"name": "HuggingfaceExecuteRole", "arn": None},
            "model_store_bucket": "example-models",
            "state_bucket": "example-state",
            # The provider waits a minute for them; the modules' test plans them.
            "lifecycle_rules": False,
        },
        {**backend, "key": "account/terraform.tfstate"},
    )
    counts = workspace.apply_unseen()
    return Account(workspace, counts, {**backend, "key": "dev/inference.tfstate"}, rig.cloud)


def allow_access_logs(cloud: CloudProcess) -> None:
    """Set the account's logging role, as the account stack does."""
    role = {"op": "replace", "path": "/cloudwatchRoleArn", "value": f"arn:aws:iam::{ACCOUNT}:role/api-logs"}
    cloud.client("apigateway").update_account(patchOperations=[role])


def show(workspace: Workspace, plan: Plan | None = None) -> Planned:
    """Return a plan's content; create the plan if none is given."""
    return Planned(workspace.show(plan or workspace.plan()))


def _write(file: Path, content: dict[str, Any]) -> Path:
    file.write_text(json.dumps(content))
    return file


def _backend(file: Path, settings: dict[str, Any]) -> Path:
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    return file


def copy_project(root: Path) -> Project:
    """Return a project at `root` with a copy of terraform/, independent of the checkout."""
    shutil.copytree(ROOT / "terraform", root / "terraform")
    (root / "terraform" / "environments").mkdir(exist_ok=True)
    (root / "requirements").symlink_to(ROOT / "requirements")
    for example in root.glob("terraform/modules/*/examples/*/main.tf"):
        # Planned together, they share one provider process, which takes seconds to start.
        text, removed = PROVIDER.subn("", example.read_text())
        assert removed == 1, f"{example} has no provider block"
        example.write_text(text)
    return Project(root)


def find_program(project: Project) -> Program:
    """Return this machine's Terraform."""
    return discover(project, Console(err=io.StringIO(), interactive=False))


def make_packages(directory: Path) -> dict[str, str]:
    """Create zip files as placeholders for the functions' code."""
    files = {name: directory / f"{name}.zip" for name in ("gateway", "authorizer")}
    for name, file in files.items():
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("handler.py", f"# {name}\n")
    return {name: str(file) for name, file in files.items()}
