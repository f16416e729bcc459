"""Updates whose rollback fails, and partially failed starts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Engine, Hosting, eventually, respond
from tests.support.load import load
from tests.support.stuck import Stuck
from toolkit.local import client
from toolkit.project import Project

pytestmark = pytest.mark.slow

OLD, NEW = {"fleet": "old"}, {"fleet": "new"}


@pytest.fixture
def engines() -> Iterator[tuple[Engine, Engine]]:
    """The servers behind the old and the new fleet."""
    old, new = Engine(), Engine()
    old.behaviour = lambda handler, _: respond(handler, 200, b'{"fleet": "old"}')
    new.behaviour = lambda handler, _: respond(handler, 200, b'{"fleet": "new"}')
    yield old, new
    old.stop()
    new.stop()


@pytest.fixture
def engine(engines: tuple[Engine, Engine]) -> Engine:
    return engines[0]


def containers(project: Project, engine: Engine) -> int:
    """The cloud's processes that relay to a server, including those it may have lost track of.

    A supervisor may outlive its container for a moment.
    """
    status = client.status(project)
    assert status is not None
    count = 0
    for process in psutil.Process(status.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            is_supervisor = bool(process.children())
            count += process.environ().get("OPENAI_BASE_URL") == engine.url and not is_supervisor
    return count


def variant(description: dict[str, Any]) -> Any:
    [only_variant] = description["ProductionVariants"]
    return only_variant


def served(hosting: Hosting, endpoint: str) -> list[Any]:
    """The fleets that serve; 40 responses miss one of two equal shares once in a million million runs."""
    with load(hosting.aws, endpoint) as running:
        responses = [running.invoke() for _ in range(40)]
    assert running.errors == []
    return [fleet for fleet in (OLD, NEW) if fleet in responses]


def test_a_failed_rollback_serves_both_configurations(
    hosting: Hosting, engines: tuple[Engine, Engine], shared_checkout: Project
) -> None:
    stuck = Stuck(hosting, engines)
    description = hosting.sagemaker.describe_endpoint(EndpointName=stuck.endpoint)
    assert description["EndpointStatus"] == "UpdateRollbackFailed"
    assert description["EndpointConfigName"] == stuck.old
    assert "Could not find model data" in description["FailureReason"]
    assert "The old fleet could not be restored" in description["FailureReason"]
    assert "PendingDeploymentSummary" not in description
    old = variant(description)
    assert (old["CurrentInstanceCount"], old["DesiredInstanceCount"], old["CurrentWeight"]) == (1, 2, 0.5)
    assert served(hosting, stuck.endpoint) == [OLD, NEW]
    eventually(lambda: [containers(shared_checkout, engine) for engine in engines] == [1, 1])

    counts = {"VariantName": "AllTraffic", "DesiredInstanceCount": 3}
    with pytest.raises(ClientError, match="its status is UpdateRollbackFailed"):
        hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=stuck.endpoint, DesiredWeightsAndCapacities=[counts]
        )


def test_the_next_update_reconciles_a_failed_rollback(
    hosting: Hosting, engines: tuple[Engine, Engine], shared_checkout: Project
) -> None:
    stuck = Stuck(hosting, engines)
    # Without the weights, the next update fails, too.
    stuck.update(stuck.new)
    assert hosting.settled(stuck.endpoint)["EndpointStatus"] == "UpdateRollbackFailed"
    assert served(hosting, stuck.endpoint) == [OLD, NEW]
    stuck.restore()
    with load(hosting.aws, stuck.endpoint, plain=2) as running:
        hosting.sagemaker.update_endpoint(EndpointName=stuck.endpoint, EndpointConfigName=stuck.new)
        description = hosting.settled(stuck.endpoint)
    assert running.errors == []
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == ("InService", stuck.new)
    assert "FailureReason" not in description
    assert variant(description)["CurrentInstanceCount"] == 2
    assert served(hosting, stuck.endpoint) == [NEW]
    eventually(lambda: [containers(shared_checkout, engine) for engine in engines] == [0, 2])


def test_an_endpoint_with_a_failed_rollback_can_be_deleted(
    hosting: Hosting, engines: tuple[Engine, Engine], shared_checkout: Project
) -> None:
    endpoint = Stuck(hosting, engines).endpoint
    eventually(lambda: [containers(shared_checkout, engine) for engine in engines] == [1, 1])
    hosting.delete(endpoint)
    eventually(lambda: [containers(shared_checkout, engine) for engine in engines] == [0, 0])


def test_one_failing_variant_fails_the_endpoint(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    healthy = hosting.configuration(container=engine.container, VariantName="good")
    broken = hosting.configuration(
        container={"Environment": {"OPENAI_BASE_URL": "http://192.0.2.1/v1"}}, VariantName="bad"
    )
    describe = hosting.sagemaker.describe_endpoint_config
    variants = [describe(EndpointConfigName=name)["ProductionVariants"][0] for name in (healthy, broken)]
    both = f"{healthy}-both"
    hosting.sagemaker.create_endpoint_config(EndpointConfigName=both, ProductionVariants=variants)
    endpoint = hosting.endpoint(both)
    description = hosting.settled(endpoint)
    assert description["EndpointStatus"] == "Failed"
    assert "production variant bad did not pass the ping health check" in description["FailureReason"]
    assert "ended with exit code 1" in description["FailureReason"]
    # The healthy variant is stopped and cannot be invoked.
    eventually(lambda: containers(shared_checkout, engine) == 0)
    with pytest.raises(ClientError, match="not found"):
        hosting.aws("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=b"{}", TargetVariant="good"
        )
    # The log contains both reasons.
    assert any(f"relaying to {engine.url}" in line for line in hosting.log(endpoint))
    assert any("192.0.2.1 is not this machine" in line for line in hosting.log(endpoint))
    hosting.delete(endpoint)
