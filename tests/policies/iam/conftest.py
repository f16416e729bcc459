"""An account whose users have only the policies of policies/iam."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.deployers import Deployers


@pytest.fixture(scope="session")
def deployers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployers]:
    """A bootstrapped account and its users, without a working environment."""
    deployers = Deployers.bootstrap(tmp_path_factory.mktemp("proof") / "project")
    try:
        yield deployers
    finally:
        deployers.stop()
