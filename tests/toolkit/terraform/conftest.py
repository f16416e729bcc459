"""Real Terraform on small stacks, away from the settings of whoever runs the tests."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from toolkit.console import Console
from toolkit.project import Project
from toolkit.terraform import Program, Workspace, discover


@pytest.fixture(autouse=True)
def nobodys_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A home without Terraform's settings, and a cache that the tests of one run share."""
    for name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TOOLKIT_TERRAFORM", "TOOLKIT_PROVIDER_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def said() -> io.StringIO:
    """What the user has been told."""
    return io.StringIO()


@pytest.fixture
def console(said: io.StringIO) -> Console:
    """A console in a pipe."""
    return Console(out=said, err=said, interactive=False)


@pytest.fixture
def project(tmp_path: Path, checkout: Path) -> Project:
    """A project without stacks."""
    root = tmp_path / "project"
    (root / "terraform" / "environments").mkdir(parents=True)
    (root / "requirements").symlink_to(checkout / "requirements")
    return Project(root)


@pytest.fixture
def program(project: Project) -> Program:
    """The Terraform that this machine has."""
    return discover(project, Console(err=io.StringIO(), interactive=False))


BUCKET = "demo-state-123456789012-us-east-1"
Stack = Callable[..., Workspace]


@pytest.fixture
def stack(project: Project, program: Program, console: Console) -> Stack:
    """Makes a stack from the text of its main.tf, and the workspace of an environment on it."""

    def make(main: str, **settings: object) -> Workspace:
        folder = project.stack("demo")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.tf").write_text(main)
        directory = project.environment_build("test") / "demo"
        defaults: dict[str, object] = {
            "program": program,
            "project": project,
            "stack": folder,
            "directory": directory,
            "environment": {},
            "console": console,
        }
        return Workspace(**{**defaults, **settings})  # type: ignore[arg-type]

    return make


@dataclass(frozen=True)
class Cloud:
    """A moto server.

    Attributes:
        environment: what leads Terraform to it.
    """

    environment: dict[str, str]

    def client(self, service: str) -> object:
        """A boto3 client for it."""
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.environment["AWS_ENDPOINT_URL"],
            region_name=self.environment["AWS_REGION"],
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """AWS as far as Terraform's state needs it."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Cloud(
        {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
    )
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backend(cloud: Cloud, tmp_path: Path) -> Path:
    """Backend settings of an S3 bucket that exists."""
    cloud.client("s3").create_bucket(Bucket=BUCKET)  # type: ignore[attr-defined]
    file = tmp_path / "demo.tfbackend"
    key = f"{tmp_path.name}/demo.tfstate"
    settings = [f'bucket = "{BUCKET}"', f'key = "{key}"', 'region = "us-east-1"', "use_lockfile = true"]
    file.write_text("\n".join([*settings, "use_path_style = true", ""]))
    return file
