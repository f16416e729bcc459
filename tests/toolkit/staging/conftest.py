"""A model store in the embedded cloud's S3, and weights to put there."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import cloudprocess
from tests.support.cloudprocess import CloudProcess
from tests.support.handlers import handling
from toolkit.aws.access import AwsAccess
from toolkit.environment import Environment, load
from toolkit.project import Project

_numbers = itertools.count(1)

ENVIRONMENT = """\
target: local
name: llm
region: us-east-1
account: {{model_store: {{bucket: {bucket}}}}}
models:
  m:
    serving: {{engine: llama_cpp}}
    source: {source}
    instance_type: ml.c7i.xlarge
"""


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with cloudprocess.running(tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def access(cloud: CloudProcess) -> AwsAccess:
    return cloud.access


@pytest.fixture
def bucket(access: AwsAccess) -> str:
    """A bucket for one test."""
    name = f"models-{next(_numbers)}"
    access.s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("TOOLKIT_CACHE_DIR", str(directory))
    return directory


@pytest.fixture
def project(tmp_path: Path) -> Project:
    directory = tmp_path / "project"
    (directory / "terraform" / "environments").mkdir(parents=True)
    return Project(directory)


@pytest.fixture
def environment(project: Project, bucket: str) -> Callable[[str], Environment]:
    """An environment with one model `m` from a source, as YAML has it."""

    def make(source: str) -> Environment:
        project.environment_file("test").write_text(ENVIRONMENT.format(bucket=bucket, source=source))
        return load(project, "test")

    return make


@pytest.fixture
def requests(access: AwsAccess) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Record name and parameters of each modifying request to S3."""
    requests: list[tuple[str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        requests.append((model.name, params))

    events = [
        f"provide-client-params.s3.{operation}"
        for operation in ("PutObject", "UploadPart", "CreateMultipartUpload", "CompleteMultipartUpload")
    ]
    with ExitStack() as stack:
        for event in events:
            stack.enter_context(handling(access.s3, event, note))
        yield requests
