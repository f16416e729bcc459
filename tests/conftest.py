"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support.checkout import ROOT, forget_settings

# Before any test's module makes clients.
forget_settings()

# The same examples in each run and on each machine, however slow that is. For the inner loop
# (`make test-fast`) properties hold for a handful of them, `make test` tries more; who looks for a mistake
# that nobody knows of yet has others each time: `pytest --hypothesis-profile search`.
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


# Fixtures that start an embedded cloud: seconds, so their tests are not for the inner loop.
CLOUDS = {"account", "cloud"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this project's own."""
    parser.addoption("--record", action="store_true", help="rewrite docs/reference/clients.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a running cloud."""
    for item in items:
        if isinstance(item, pytest.Function) and CLOUDS.intersection(item.fixturenames):
            item.add_marker(pytest.mark.slow)


# Folders whose files share a deployment.
SHARING = ("tests/e2e/*/*.py", "tests/policies/iam/*.py")


class TogetherScheduling(LoadFileScheduling):
    """Gives workers whole files, and one of them all that shares a deployment."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.split("::", 1)[0])
        return str(file.parent if any(map(file.match, SHARING)) else file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TogetherScheduling:
    """How tests are spread over workers (`make test`)."""
    return TogetherScheduling(config, log)
