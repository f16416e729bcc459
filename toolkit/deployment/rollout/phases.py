"""How far SageMaker is with an endpoint, in words, and how much of the traffic the new fleet gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.aws.endpoints import Description

# SageMaker's VariantStatus, in the order of an update's course.
_STAGES = {
    "Creating": "starting instances",
    "Updating": "changing the number of instances",
    "ActivatingTraffic": "shifting traffic",
    "Baking": "baking",
    "Deleting": "removing instances",
}


def describe(found: Description | None) -> str:
    """One line about an endpoint: its status, its stage, and while it is updated the new fleet's share."""
    if found is None:
        return "not there"
    pending = found.get("PendingDeploymentSummary")
    fleet: list[Any] = list((pending or found).get("ProductionVariants") or [])
    stages = _stages([*fleet, *(found.get("ProductionVariants") or [])])
    parts = [found["EndpointStatus"], *(words for stage, words in _STAGES.items() if stage in stages)]
    if found["EndpointStatus"] == "Creating" and fleet:
        parts.append(f"{_sum(fleet, 'CurrentInstanceCount'):.0f} instances")
    elif pending is not None:
        parts.append(f"{new_fleet_share(found)} % of the traffic on the new fleet")
    return ", ".join(parts)


def new_fleet_share(found: Description) -> int:
    """Percent of the traffic that goes to the fleet an update moves to; 0 while that is being started."""
    new: list[Any] = list((found.get("PendingDeploymentSummary") or {}).get("ProductionVariants") or [])
    if "Creating" in _stages(new):
        return 0  # its weights may be there before its instances are
    mine, others = _sum(new, "CurrentWeight"), _sum(found.get("ProductionVariants", []), "CurrentWeight")
    return round(100 * mine / (mine + others)) if mine else 0


def _stages(variants: Iterable[Any]) -> set[str]:
    return {status["Status"] for variant in variants for status in variant.get("VariantStatus") or []}


def _sum(variants: Iterable[Any], member: str) -> float:
    return float(sum(variant.get(member) or 0 for variant in variants))
