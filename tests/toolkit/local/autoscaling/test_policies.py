"""Policies and alarms, with a fake SageMaker that changes capacities at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from toolkit.local.autoscaling.capacity import DIMENSION, Scaler, Variants
from toolkit.local.autoscaling.models import Targets
from toolkit.local.autoscaling.policies import Policies, stepped_capacity, tracked_capacity
from toolkit.local.cloudwatch.alarms import Firing

STEPS = [
    {"MetricIntervalUpperBound": -10.0, "ScalingAdjustment": -2},
    {"MetricIntervalLowerBound": -10.0, "MetricIntervalUpperBound": 0.0, "ScalingAdjustment": -1},
    {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
    {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 50},
]


@pytest.mark.parametrize(
    ("kind", "excess", "capacity", "expected"),
    [
        ("ChangeInCapacity", 0.0, 4, 5),
        ("ChangeInCapacity", 10.0, 4, 54),
        ("ChangeInCapacity", -10.0, 4, 2),
        ("ChangeInCapacity", -0.1, 4, 3),
        ("ChangeInCapacity", -10.0, 1, 0),
        ("ExactCapacity", 12.0, 4, 50),
        ("PercentChangeInCapacity", 12.0, 5, 7),
        ("PercentChangeInCapacity", 0.0, 5, 6),
    ],
)
def test_a_step_matches_the_excess_over_the_threshold(
    kind: str, excess: float, capacity: int, expected: int
) -> None:
    config = {"AdjustmentType": kind, "StepAdjustments": STEPS}
    assert stepped_capacity(config, excess)(capacity) == expected


@pytest.mark.parametrize(("value", "capacity", "expected"), [(6, 1, 3), (5, 2, 5), (0, 3, 0), (7, 0, 4)])
def test_target_tracking_is_proportional(value: float, capacity: int, expected: int) -> None:
    assert tracked_capacity({"TargetValue": 2.0}, value)(capacity) == expected


class Simulation:
    """A variant, and alarms that the test controls."""

    def __init__(self) -> None:
        self.capacity = 2
        self.points: list[float] = []
        self.states: dict[str, str] = {}
        operations = {"DescribeEndpoint": self._describe, "UpdateEndpointWeightsAndCapacities": self._update}
        self.scaler = Scaler("us-east-1", Variants(operations))
        self.policies = Policies(self.scaler, self)  # type: ignore[arg-type] the used part of Metrics
        self.target = Targets("us-east-1").register(
            {
                "ServiceNamespace": "sagemaker",
                "ResourceId": "endpoint/e/variant/v",
                "ScalableDimension": DIMENSION,
                "MinCapacity": 1,
                "MaxCapacity": 9,
            }
        )

    def _describe(self, *_: Any) -> dict[str, Any]:
        counts = {"CurrentInstanceCount": self.capacity, "DesiredInstanceCount": self.capacity}
        return {"EndpointStatus": "InService", "ProductionVariants": [{"VariantName": "v", **counts}]}

    def _update(self, _: str, request: dict[str, Any]) -> dict[str, Any]:
        self.capacity = request["DesiredWeightsAndCapacities"][0]["DesiredInstanceCount"]
        return {}

    def datapoints(self, *_: str) -> list[float]:
        return self.points

    def alarm_state(self, _: str, name: str) -> str | None:
        return self.states.get(name)

    def tracking(self, name: str, **settings: Any) -> dict[str, Any]:
        policy = {
            "PolicyName": name,
            "PolicyARN": f"arn:{name}",
            "PolicyType": "TargetTrackingScaling",
            "Alarms": [{"AlarmName": f"{name}-AlarmHigh"}, {"AlarmName": f"{name}-AlarmLow"}],
            "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 2.0, **settings},
        }
        self.target.policies[name] = policy
        return policy

    async def fire(self, policy: dict[str, Any], kind: str, *points: float) -> int:
        """The capacity after an alarm."""
        self.points = list(points)
        alarm = f"{policy['PolicyName']}-{kind}"
        self.policies.apply(
            self.target, policy, Firing("us-east-1", alarm, policy["PolicyARN"], "ALARM", "OK", "")
        )
        await asyncio.sleep(0)  # the change is complete, and a cooldown begins
        await asyncio.sleep(0)
        return self.capacity


def run(scenario: Callable[[Simulation], Any]) -> None:
    async def main() -> None:
        simulation = Simulation()
        await scenario(simulation)
        await simulation.scaler.stop()

    asyncio.run(main())


def test_in_a_cooldown_only_additional_capacity_is_added() -> None:
    async def scenario(simulation: Simulation) -> None:
        policy = simulation.tracking("p", ScaleOutCooldown=300_000)
        assert await simulation.fire(policy, "AlarmHigh", 3.0) == 3
        assert (
            await simulation.fire(policy, "AlarmHigh", 3.0) == 3
        )  # the metric still describes two instances
        assert await simulation.fire(policy, "AlarmHigh", 5.0) == 5
        assert await simulation.fire(policy, "AlarmHigh", 100.0) == 9  # the target's maximum
        assert [
            activity.count for activity in simulation.scaler.activities.find("sagemaker", None, None)
        ] == [
            9,
            5,
            3,
        ]

    run(scenario)


def test_without_a_cooldown_scaling_continues() -> None:
    async def scenario(simulation: Simulation) -> None:
        policy = simulation.tracking("p", ScaleOutCooldown=0)
        assert await simulation.fire(policy, "AlarmHigh", 3.0) == 3
        assert await simulation.fire(policy, "AlarmHigh", 3.0) == 5

    run(scenario)


def test_scale_in_uses_the_highest_datapoint_and_cools_down() -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.capacity = 8
        policy = simulation.tracking("p", ScaleInCooldown=300_000)
        assert await simulation.fire(policy, "AlarmLow", 0.1, 1.0, 0.2) == 4
        assert await simulation.fire(policy, "AlarmLow", 0.0) == 4

    run(scenario)


def test_all_policies_must_agree_to_scale_in() -> None:
    async def scenario(simulation: Simulation) -> None:
        one = simulation.tracking("one")
        simulation.tracking("two")
        simulation.states["two-AlarmLow"] = "OK"
        assert await simulation.fire(one, "AlarmLow", 0.0) == 2
        simulation.states["two-AlarmLow"] = "ALARM"
        assert await simulation.fire(one, "AlarmLow", 0.0) == 1

    run(scenario)


def test_suspended_scaling_does_nothing() -> None:
    async def scenario(simulation: Simulation) -> None:
        policy = simulation.tracking("p")
        simulation.target.members["SuspendedState"]["DynamicScalingOutSuspended"] = True
        assert await simulation.fire(policy, "AlarmHigh", 9.0) == 2
        assert await simulation.fire(policy, "AlarmLow", 0.0) == 1

    run(scenario)
