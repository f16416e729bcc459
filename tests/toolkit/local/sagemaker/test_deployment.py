from __future__ import annotations

from typing import Any

import pytest

from toolkit.local.awsapi import ApiError
from toolkit.local.sagemaker.deployment import DeploymentPolicy, Size


def blue_green(type_: str, **sizes: Any) -> dict[str, Any]:
    routing = {"Type": type_, "WaitIntervalInSeconds": 60, **sizes}
    return {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 300}
    }


def percent(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def instances(value: int) -> dict[str, Any]:
    return {"Type": "INSTANCE_COUNT", "Value": value}


def rolling(size: dict[str, Any]) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 60}}


def test_without_a_policy_all_traffic_shifts_at_once() -> None:
    assert DeploymentPolicy.of(None, 3) == DeploymentPolicy()


@pytest.mark.parametrize(
    ("config", "shares"),
    [
        (blue_green("ALL_AT_ONCE"), (1.0,)),
        (blue_green("CANARY", CanarySize=percent(20)), (0.2, 1.0)),
        (blue_green("CANARY", CanarySize=instances(1)), (0.25, 1.0)),
        (blue_green("LINEAR", LinearStepSize=percent(30)), (0.3, 0.6, 0.9, 1.0)),
        (blue_green("LINEAR", LinearStepSize=percent(10)), tuple(n / 10 for n in range(1, 11))),
        (blue_green("LINEAR", LinearStepSize=instances(2)), (0.5, 1.0)),
    ],
)
def test_traffic_shifts_in_shares(config: dict[str, Any], shares: Any) -> None:
    policy = DeploymentPolicy.of(config, 4)
    assert policy.shares == pytest.approx(shares)
    assert (policy.interval, policy.bake) == (60, 300)


@pytest.mark.parametrize(
    "config",
    [
        blue_green("CANARY", CanarySize=percent(51)),
        blue_green("CANARY", CanarySize=instances(3)),
        blue_green("CANARY"),
        blue_green("LINEAR", LinearStepSize=percent(9)),
        rolling(percent(60)),
        rolling(percent(50)) | blue_green("ALL_AT_ONCE"),
    ],
)
def test_invalid_policies_are_rejected(config: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="ValidationException"):
        DeploymentPolicy.of(config, 4)


@pytest.mark.parametrize(
    ("size", "total", "batch"),
    [(percent(50), 4, 2), (percent(5), 4, 1), (percent(50), 1, 1), (percent(34), 3, 2), (instances(2), 4, 2)],
)
def test_batches_are_whole_instances(size: dict[str, Any], total: int, batch: int) -> None:
    policy = DeploymentPolicy.of(rolling(size), total)
    assert policy.batch is not None
    assert policy.batch.instances(total) == batch
    assert policy.rollback_batch == Size(100)
