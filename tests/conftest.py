"""Fixtures, options and scheduling of all tests."""

from __future__ import annotations

import gc
from pathlib import Path, PurePosixPath
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.checkout import ROOT, forget_settings

# Before the import of any test module that creates AWS clients.
forget_settings()

# Every run uses the same examples, without a deadline: few in `make test-fast`, more in `make test`.
# `pytest --hypothesis-profile search` searches for unknown mistakes with random examples.
SLOW = [hypothesis.HealthCheck.too_slow]
STEADY: dict[str, Any] = {"deadline": None, "suppress_health_check": SLOW, "database": None}
hypothesis.settings.register_profile("fast", max_examples=20, derandomize=True, **STEADY)
hypothesis.settings.register_profile("full", max_examples=100, derandomize=True, **STEADY)
hypothesis.settings.register_profile("search", max_examples=1000, derandomize=False, **STEADY)
hypothesis.settings.load_profile("full")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The repository under test."""
    return ROOT


# Fixtures that start an embedded cloud, which takes seconds.
CLOUDS = {"account", "cloud"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the project's options."""
    parser.addoption("--record", action="store_true", help="rewrite docs/reference/clients.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that need a running cloud as slow."""
    for item in items:
        if isinstance(item, pytest.Function) and CLOUDS.intersection(item.fixturenames):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Exempt what was collected from garbage collection.

    The modules of all tests take 370 MB, and searching them again and again took a seventh of the fast tests.
    """
    gc.freeze()


# Folders whose files share a deployment.
SHARING = ("tests/e2e/*/*.py", "tests/policies/iam/*.py")


class TogetherScheduling(LoadFileScheduling):
    """Assigns whole files to workers, and all files that share a deployment to the same worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::", 1)[0])
        return str(file.parent if any(map(file.match, SHARING)) else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    """Return the scheduler that distributes tests over workers (`make test`)."""
    return TogetherScheduling(config, log)
