"""Plans of a table of environments, rendered by the toolkit, against the expected plans in `expected/`."""

from __future__ import annotations

import pytest

from tests.support import expectations
from tests.support.environments import table
from tests.support.terraform import Rig
from tests.tools import expected_plans

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plans(rig: Rig, packages: dict[str, str]) -> dict[str, expectations.Digest]:
    """A digest of each environment's plan."""
    expectations.ensure_role(rig)
    return expectations.digests_of(rig, table(), packages)


@pytest.mark.parametrize("name", table())
def test_the_plan_is_as_expected(plans: dict[str, expectations.Digest], name: str) -> None:
    planned = plans[name]
    expected = expectations.expected(name)
    command = expected_plans.command(name)
    assert set(planned) == set(expected), f"the models differ; if that is intended, run {command}"
    for model, resources in planned.items():
        assert resources == expected[model], f"{name}.{model}: if this is intended, run {command}"


def test_expected_plans_match_the_table() -> None:
    stored = {file.stem for file in expectations.DIRECTORY.glob("*.json")}
    assert stored == set(table())
