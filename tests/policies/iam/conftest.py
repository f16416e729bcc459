"""An account whose deployers hold the policies of policies/iam and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.deployers import Deployers


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployers]:
    """An account that is prepared, and its people; nothing is deployed, or nothing any more that works."""
    made = Deployers.bootstrap(tmp_path_factory.mktemp("proof") / "project")
    try:
        yield made
    finally:
        made.stop()
