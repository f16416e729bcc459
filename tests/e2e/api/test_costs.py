"""`toolkit cost` with the current capacity of a deployed environment."""

from __future__ import annotations

import json

import pytest

from tests.e2e.api.conftest import Api

pytestmark = pytest.mark.e2e

# An instance in us-east-1 with its volume, `toolkit/cost/prices.json`.
PRICE = 0.214 + 30 * 0.14 / 730


def test_the_instances_that_run_are_priced(api: Api) -> None:
    costs = json.loads(api.toolkit.succeed("cost", "--env", "clients", "--json"))
    # Seven models with an instance each; the fixture deleted one of the endpoints.
    assert costs["per_hour"] == pytest.approx(
        {"minimum": 7 * PRICE, "current": 6 * PRICE, "maximum": 7 * PRICE}
    )
    assert costs["current_problem"] is None
    details = [(item["name"], item["details"]) for item in costs["current"]]
    assert ("echo", "1 x ml.c7i.xlarge, $0.214 per hour") in details
    assert ("echo", "volumes of 30 GB, $0.14 per GB and month") in details
    assert ("gone", "no endpoint") in details
    assert "echo now" in api.toolkit.succeed("cost", "--env", "clients")


def test_offline_is_what_the_environment_file_says(api: Api) -> None:
    costs = json.loads(api.toolkit.succeed("cost", "--env", "clients", "--json", "--offline"))
    assert costs["per_hour"] == pytest.approx({"minimum": 7 * PRICE, "current": None, "maximum": 7 * PRICE})
    assert (costs["current"], costs["current_problem"]) == (None, None)


def test_an_environment_that_is_not_deployed_has_bounds_only(api: Api) -> None:
    text = api.toolkit.succeed("cost", "--env", "local")
    assert "Current capacity: unknown: environment local is not deployed" in text
    assert "total now" not in text
