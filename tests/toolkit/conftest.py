"""An embedded cloud that the tests of this folder share; each test uses unique names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cloud import make_checkout
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.local import client


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    """Access to the embedded cloud's account."""
    project = make_checkout(tmp_path_factory.mktemp("account") / "checkout")
    cloud = client.ensure_running(project, Console())
    yield AwsAccess("us-east-1", "123456789012", cloud.endpoint_url, cloud.root_key)
    client.stop(project, Console())
