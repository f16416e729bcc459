"""Weights and instance counts, which change without a new configuration."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import PATIENT, Engine, Hosting, eventually, is_gone, respond
from tests.support.load import PROMPT, load
from tests.support.patience import HANG_SECONDS
from toolkit.local import client
from toolkit.project import Project

pytestmark = pytest.mark.slow


def processes(project: Project, endpoint: str) -> list[int]:
    status = client.status(project)
    assert status is not None
    return [process.pid for process in status.processes if process.name.startswith(f"{endpoint}/")]


def change(hosting: Hosting, endpoint: str, variant: str = "AllTraffic", **members: Any) -> None:
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": variant, **members}]
    )


def only_variant(description: dict[str, Any]) -> Any:
    [variant] = description["ProductionVariants"]
    return variant


def test_no_request_fails_while_instances_start_and_stop(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    [first] = processes(shared_checkout, endpoint)
    with load(hosting.aws, endpoint, plain=2) as running:
        engine.healthy = False
        change(hosting, endpoint, DesiredInstanceCount=2)
        during = hosting.sagemaker.describe_endpoint(EndpointName=endpoint)
        assert during["EndpointStatus"] == "Updating"
        variant = only_variant(during)
        assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 2)
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            change(hosting, endpoint, DesiredInstanceCount=3)
        engine.healthy = True
        variant = only_variant(hosting.settled(endpoint))
        assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (2, 2)
        pids = processes(shared_checkout, endpoint)
        assert len(pids) == 2
        assert first in pids
        change(hosting, endpoint, DesiredInstanceCount=1)
        assert only_variant(hosting.settled(endpoint))["CurrentInstanceCount"] == 1
        assert len([pid for pid in pids if is_gone(pid)]) == 1
    assert running.errors == []


def test_a_draining_instance_finishes_its_requests(hosting: Hosting, engine: Engine) -> None:
    configuration = hosting.configuration(container=engine.container, InitialInstanceCount=2)
    endpoint = hosting.endpoint(configuration)
    hosting.settled(endpoint)
    started, finish = threading.Semaphore(0), threading.Event()

    def slow(handler: Any, _: dict[str, Any]) -> None:
        started.release()
        finish.wait(HANG_SECONDS)
        respond(handler, 200, b'{"ok": "late"}')

    engine.behaviour = slow
    with load(hosting.aws, endpoint, plain=4) as running:
        assert all(started.acquire(timeout=HANG_SECONDS) for _ in range(4))
        change(hosting, endpoint, DesiredInstanceCount=1)
        finish.set()
        hosting.settled(endpoint)
    assert running.errors == []


def test_a_failed_start_keeps_the_other_instances(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container, **PATIENT))
    hosting.settled(endpoint)
    [first] = processes(shared_checkout, endpoint)

    def kill_the_second() -> None:
        for pid in set(processes(shared_checkout, endpoint)) - {first}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    engine.healthy, engine.before_health_check = False, kill_the_second
    change(hosting, endpoint, DesiredInstanceCount=2)
    description = hosting.settled(endpoint)
    assert description["EndpointStatus"] == "InService"
    assert "did not pass the ping health check" in description["FailureReason"]
    assert "exit code -9" in description["FailureReason"]
    variant = only_variant(description)
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 1)


def test_weights_take_effect(hosting: Hosting, engine: Engine) -> None:
    configuration = hosting.configuration(container=engine.container, VariantName="a", InitialVariantWeight=1)
    [a] = hosting.sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"]
    variants = [a, a | {"VariantName": "b", "InitialVariantWeight": 0}]
    both = f"{configuration}-both"
    hosting.sagemaker.create_endpoint_config(EndpointConfigName=both, ProductionVariants=variants)
    endpoint = hosting.endpoint(both)
    hosting.settled(endpoint)
    runtime = hosting.aws("sagemaker-runtime")

    def invoked(**target: str) -> set[str]:
        calls = [runtime.invoke_endpoint(EndpointName=endpoint, Body=PROMPT, **target) for _ in range(6)]
        return {call["InvokedProductionVariant"] for call in calls}

    assert invoked() == {"a"}
    assert invoked(TargetVariant="b") == {"b"}
    hosting.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": "a", "DesiredWeight": 0},
            {"VariantName": "b", "DesiredWeight": 2},
        ],
    )
    weights = {
        variant["VariantName"]: variant["CurrentWeight"]
        for variant in hosting.settled(endpoint)["ProductionVariants"]
    }
    assert weights == {"a": 0, "b": 2}
    assert invoked() == {"b"}
    with pytest.raises(ClientError, match="Variant c not found"):
        invoked(TargetVariant="c")


def test_a_scaled_variant_keeps_its_instance_type(hosting: Hosting, engine: Engine) -> None:
    endpoint = hosting.endpoint(hosting.configuration(container=engine.container))
    hosting.settled(endpoint)
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    autoscaling = hosting.aws("application-autoscaling")
    autoscaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=2)
    other = hosting.configuration(container=engine.container, InstanceType="ml.c7i.2xlarge")

    def update() -> None:
        hosting.sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=other)

    with pytest.raises(ClientError, match="registered as scalable targets"):
        update()
    autoscaling.deregister_scalable_target(**target)
    update()
    eventually(lambda: hosting.settled(endpoint)["EndpointConfigName"] == other)
