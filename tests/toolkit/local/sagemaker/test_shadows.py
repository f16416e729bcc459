"""Shadow variants, which get copies of requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cloud import Engine, Hosting, eventually, respond
from tests.support.load import Load
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def shadow() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.stop()


def shadowed(hosting: Hosting, engine: Engine, shadow: Engine, weight: float) -> str:
    configurations = [hosting.configuration(container=server.container) for server in (engine, shadow)]
    [production], [copy] = (
        hosting.sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
        for name in configurations
    )
    name = f"{configurations[0]}-shadowed"
    copy |= {"VariantName": "Shadow", "InitialVariantWeight": weight}
    hosting.sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[production], ShadowProductionVariants=[copy]
    )
    endpoint = hosting.endpoint(name)
    assert hosting.settled(endpoint)["EndpointStatus"] == "InService"
    return endpoint


def test_a_shadow_gets_copies_and_its_responses_are_dropped(
    hosting: Hosting, engine: Engine, shadow: Engine
) -> None:
    endpoint = shadowed(hosting, engine, shadow, 1)
    description = hosting.sagemaker.describe_endpoint(EndpointName=endpoint)
    [variant] = description["ShadowProductionVariants"]
    assert (variant["VariantName"], variant["CurrentInstanceCount"]) == ("Shadow", 1)
    finish = threading.Event()

    def slow_and_broken(handler: Any, _: dict[str, Any]) -> None:
        finish.wait(HANG_SECONDS)
        respond(handler, 500, b'{"who": "shadow"}')

    shadow.behaviour = slow_and_broken
    client = Load(hosting.aws("sagemaker-runtime"), endpoint)
    # The shadow responds to none of them.
    assert [client.invoke() for _ in range(3)] + [client.stream()] == [{"ok": True}] * 4
    eventually(lambda: len(shadow.requests) == 4)
    finish.set()
    copies, originals = ([request["body"] for request in server.requests] for server in (shadow, engine))
    assert copies == originals


def test_a_share_of_requests_is_copied(hosting: Hosting, engine: Engine, shadow: Engine) -> None:
    endpoint = shadowed(hosting, engine, shadow, 0.5)
    client = Load(hosting.aws("sagemaker-runtime"), endpoint)
    for _ in range(40):
        client.invoke()
    # The probability of all or none of 40 is 10⁻¹².
    eventually(lambda: bool(shadow.requests))
    assert len(shadow.requests) < 40
