"""The progress text of an endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit.deployment.rollout import status


def fleet(weight: float, stage: str | None = None, count: int = 2) -> list[dict[str, Any]]:
    status = {"VariantStatus": [{"Status": stage}]} if stage else {}
    return [{"VariantName": "v", "CurrentWeight": weight, "CurrentInstanceCount": count, **status}]


def endpoint(status: str, variants: list[Any], pending: list[Any] | None = None) -> Any:
    summary = {} if pending is None else {"PendingDeploymentSummary": {"ProductionVariants": pending}}
    return {"EndpointStatus": status, "ProductionVariants": variants, **summary}


@pytest.mark.parametrize(
    ("description", "text"),
    [
        (None, "missing"),
        (endpoint("InService", fleet(1)), "InService"),
        (
            endpoint("Creating", fleet(1, "Creating", count=0)),
            "Creating, starting instances, 0 instances",
        ),
        (
            endpoint("Creating", [], fleet(0, "Creating", count=0)),
            "Creating, starting instances, 0 instances",
        ),
        # Instances that have not started have no traffic, whatever their weights.
        (
            endpoint("Updating", fleet(1), fleet(1, "Creating")),
            "Updating, starting instances, 0 % of the traffic on the new fleet",
        ),
        (
            endpoint("Updating", fleet(0.9), fleet(0.1, "Baking")),
            "Updating, baking, 10 % of the traffic on the new fleet",
        ),
        (
            endpoint("Updating", fleet(0, "Deleting"), fleet(1)),
            "Updating, removing instances, 100 % of the traffic on the new fleet",
        ),
        (endpoint("RollingBack", fleet(1), fleet(0)), "RollingBack, 0 % of the traffic on the new fleet"),
    ],
)
def test_the_text_has_status_stage_and_traffic_share(description: Any, text: str) -> None:
    assert status.phase(description) == text


def test_the_traffic_share_covers_all_variants() -> None:
    variants = [*fleet(3), *fleet(1)]
    assert status.new_fleet_share(endpoint("Updating", variants, [*fleet(1), *fleet(3)])) == 50
