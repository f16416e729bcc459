"""A table of environments, read and rendered by the toolkit and planned with the real provider.

What the plans should be is in `expected/`.
"""

from __future__ import annotations

import pytest

from tests.support import expectations
from tests.support.environments import table
from tests.support.terraform import Rig
from tests.tools import expected_plans

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plans(rig: Rig, packages: dict[str, str]) -> dict[str, expectations.Digest]:
    """What matters of each environment's plan."""
    expectations.ensure_role(rig)
    return expectations.digests_of(rig, table(), packages)


@pytest.mark.parametrize("name", table())
def test_the_plan_is_as_expected(plans: dict[str, expectations.Digest], name: str) -> None:
    planned = plans[name]
    expected = expectations.expected(name)
    command = expected_plans.command(name)
    assert set(planned) == set(expected), f"other models; if that is right, run {command}"
    for model, resources in planned.items():
        assert resources == expected[model], f"{name}.{model}: if this is right, run {command}"


def test_nothing_else_is_expected() -> None:
    stored = {file.stem for file in expectations.DIRECTORY.glob("*.json")}
    assert stored == set(table())
