"""Endpoints in the shared embedded cloud, shared by a file's tests, and environments with them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.access import enforce_iam
from tests.support.cloud import Engine, Hosting, aws_clients
from tests.support.contexts import Opened, opened
from toolkit.aws.access import LOCAL_SETTINGS, AwsAccess


@pytest.fixture(scope="module")
def engines() -> Iterator[list[Engine]]:
    """The servers behind endpoints of a file's tests."""
    engines: list[Engine] = []
    yield engines
    for engine in engines:
        engine.stop()


@pytest.fixture(scope="module")
def hosting(account: AwsAccess, engines: list[Engine]) -> Iterator[Hosting]:
    """A factory of endpoints, which are deleted after the file's tests."""
    aws = aws_clients(account)
    hosting = Hosting(aws, aws("sagemaker"))
    yield hosting
    for engine in engines:  # otherwise the deletion waits for starting endpoints
        engine.healthy = True
    hosting.delete_all()


@pytest.fixture(scope="module")
def engine(engines: list[Engine]) -> Engine:
    """The server behind healthy endpoints."""
    engines.append(Engine())
    return engines[-1]


@pytest.fixture
def other(engines: list[Engine]) -> Engine:
    """The server behind the release of one test."""
    engines.append(Engine())
    return engines[-1]


@pytest.fixture
def environment(account: AwsAccess, tmp_path: Path) -> Opened:
    """The environment `x` with the models `m` and `n`."""
    return opened(tmp_path, account, ("m", "n"))


@pytest.fixture
def unprivileged(
    account: AwsAccess, hosting: Hosting, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsAccess]:
    """Access of a user without permissions; the cloud enforces IAM until the test ends."""
    iam, name = hosting.aws("iam"), f"nobody-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv(LOCAL_SETTINGS["AWS_ACCESS_KEY_ID"], key["AccessKeyId"])
    monkeypatch.setenv(LOCAL_SETTINGS["AWS_SECRET_ACCESS_KEY"], key["SecretAccessKey"])
    enforce_iam(account, True)
    yield replace(account)
    enforce_iam(account, False)
