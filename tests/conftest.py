"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checkout import ROOT


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The repository under test."""
    return ROOT


# Fixtures that start an embedded cloud: seconds, so their tests are not for the inner loop.
CLOUDS = {"account", "cloud"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a running cloud."""
    for item in items:
        if isinstance(item, pytest.Function) and CLOUDS.intersection(item.fixturenames):
            item.add_marker(pytest.mark.slow)
