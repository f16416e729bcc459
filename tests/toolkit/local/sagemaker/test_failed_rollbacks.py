"""Updates that fail and cannot be taken back, and starts of which a part fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Engine, Hosting, answer, eventually
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
    old.behaviour = lambda handler, _: answer(handler, 200, b'{"fleet": "old"}')
    new.behaviour = lambda handler, _: answer(handler, 200, b'{"fleet": "new"}')
    yield old, new
    old.stop()
    new.stop()


@pytest.fixture
def engine(engines: tuple[Engine, Engine]) -> Engine:
    return engines[0]


def containers(project: Project, engine: Engine) -> int:
    """How many processes of the cloud relay to a server, whether or not the cloud knows of them still.

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
    [found] = description["ProductionVariants"]
    return found


def served(hosting: Hosting, endpoint: str) -> list[Any]:
    """Who answers; each of two equal shares is in 40 answers, but for one time in a million millions."""
    with load(hosting.aws, endpoint) as running:
        answers = [running.invoke() for _ in range(40)]
    assert running.errors == []
    return [each for each in (OLD, NEW) if each in answers]


def test_what_could_not_be_taken_back_serves_on_both_until_the_next_update(
    hosting: Hosting, engines: tuple[Engine, Engine], shared_checkout: Project
) -> None:
    stuck = Stuck(hosting, engines)
    found = hosting.sagemaker.describe_endpoint(EndpointName=stuck.endpoint)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("UpdateRollbackFailed", stuck.old)
    assert "Could not find model data" in found["FailureReason"]
    assert "The old fleet did not come up again" in found["FailureReason"]
    assert "PendingDeploymentSummary" not in found
    assert (variant(found)["CurrentInstanceCount"], variant(found)["DesiredInstanceCount"]) == (1, 2)
    assert variant(found)["CurrentWeight"] == 0.5
    assert served(hosting, stuck.endpoint) == [OLD, NEW]
    eventually(lambda: [containers(shared_checkout, each) for each in engines] == [1, 1])

    counts = {"VariantName": "AllTraffic", "DesiredInstanceCount": 3}
    with pytest.raises(ClientError, match="its status is UpdateRollbackFailed"):
        hosting.sagemaker.update_endpoint_weights_and_capacities(
            EndpointName=stuck.endpoint, DesiredWeightsAndCapacities=[counts]
        )

    # Without the weights another attempt ends as the first one; with them, it brings all together.
    stuck.update(stuck.new)
    assert hosting.settled(stuck.endpoint)["EndpointStatus"] == "UpdateRollbackFailed"
    assert served(hosting, stuck.endpoint) == [OLD, NEW]
    stuck.restore()
    with load(hosting.aws, stuck.endpoint, plain=2) as running:
        hosting.sagemaker.update_endpoint(EndpointName=stuck.endpoint, EndpointConfigName=stuck.new)
        found = hosting.settled(stuck.endpoint)
    assert running.errors == []
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", stuck.new)
    assert "FailureReason" not in found
    assert variant(found)["CurrentInstanceCount"] == 2
    assert served(hosting, stuck.endpoint) == [NEW]
    eventually(lambda: [containers(shared_checkout, each) for each in engines] == [0, 2])


def test_what_could_not_be_taken_back_can_be_deleted(
    hosting: Hosting, engines: tuple[Engine, Engine], shared_checkout: Project
) -> None:
    endpoint = Stuck(hosting, engines).endpoint
    eventually(lambda: [containers(shared_checkout, each) for each in engines] == [1, 1])
    hosting.delete(endpoint)
    eventually(lambda: [containers(shared_checkout, each) for each in engines] == [0, 0])


def test_one_variant_of_several_that_does_not_start_fails_the_endpoint(
    hosting: Hosting, engine: Engine, shared_checkout: Project
) -> None:
    good = hosting.configuration(container=engine.container, VariantName="good")
    bad = hosting.configuration(
        container={"Environment": {"OPENAI_BASE_URL": "http://192.0.2.1/v1"}}, VariantName="bad"
    )
    describe = hosting.sagemaker.describe_endpoint_config
    variants = [describe(EndpointConfigName=name)["ProductionVariants"][0] for name in (good, bad)]
    both = f"{good}-both"
    hosting.sagemaker.create_endpoint_config(EndpointConfigName=both, ProductionVariants=variants)
    endpoint = hosting.endpoint(both)
    found = hosting.settled(endpoint)
    assert found["EndpointStatus"] == "Failed"
    assert "production variant bad did not pass the ping health check" in found["FailureReason"]
    assert "ended with exit code 1" in found["FailureReason"]
    # Nobody pays for the one that was well, and nobody can invoke it.
    eventually(lambda: containers(shared_checkout, engine) == 0)
    with pytest.raises(ClientError, match="not found"):
        hosting.aws("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, Body=b"{}", TargetVariant="good"
        )
    # The log tells of both.
    assert any(f"relaying to {engine.url}" in line for line in hosting.log(endpoint))
    assert any("192.0.2.1 is not this machine" in line for line in hosting.log(endpoint))
    hosting.delete(endpoint)
