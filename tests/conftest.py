"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from tests.support.checkout import ROOT

# For the inner loop (`make test-fast`): properties hold for a handful of examples, `make test` tries more.
hypothesis.settings.register_profile("fast", max_examples=20, deadline=None)
hypothesis.settings.register_profile("full", max_examples=100, deadline=None)
hypothesis.settings.load_profile("full")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The repository under test."""
    return ROOT


# Fixtures that start an embedded cloud: seconds, so their tests are not for the inner loop.
CLOUDS = {"account", "cloud"}


# Made once for the tests of many files; other fixtures are made once a file, or cost little.
DEPLOYMENTS = {"api", "deployed"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of this project's own."""
    parser.addoption("--record", action="store_true", help="write recorded tables again (docs/clients.md)")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in a hook of the same name
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a running cloud, and keep together what shares costly fixtures."""
    for item in items:
        fixtures = set(item.fixturenames) if isinstance(item, pytest.Function) else set()
        if fixtures & CLOUDS:
            item.add_marker(pytest.mark.slow)
        # With several workers (`make test`), a group runs on one of them.
        group = (fixtures & DEPLOYMENTS) or {item.path.relative_to(ROOT).as_posix()}
        item.add_marker(pytest.mark.xdist_group(" ".join(sorted(group))))
