from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cloudprocess import CloudProcess, running


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("cloud")) as process:
        yield process
