"""Waiters: until SageMaker has finished an update."""

from __future__ import annotations

import json
from collections.abc import Mapping
from threading import Event
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.support.access import call
from tests.support.cloud import PATIENT, UNKNOWN_IMAGE, Engine, Hosting, eventually, respond
from tests.support.contexts import Opened, opened, recorded_requests
from tests.support.load import load
from tests.support.patience import HANG_SECONDS
from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout.waiters import failed_models, wait_until_stable


@pytest.fixture(scope="module")
def configuration(hosting: Hosting, engine: Engine) -> str:
    return hosting.configuration(container=engine.container, **PATIENT)


@pytest.fixture(scope="module")
def stable_endpoint(hosting: Hosting, configuration: str) -> str:
    """An endpoint in service."""
    name = hosting.endpoint(configuration)
    hosting.settled(name)
    return name


@pytest.fixture(scope="module")
def broken(hosting: Hosting) -> str:
    """The failed endpoint of the model `m`."""
    name = hosting.endpoint(hosting.configuration(image=UNKNOWN_IMAGE), "llm-x-m")
    hosting.settled(name)
    return name


def test_stable_endpoints_need_no_wait(environment: Opened, stable_endpoint: str, broken: str) -> None:
    with recorded_requests(environment.context.access) as requests:
        descriptions = wait_until_stable(environment.context, [stable_endpoint, broken, "gone"])
    assert {name: endpoint["EndpointStatus"] for name, endpoint in descriptions.items()} == {
        stable_endpoint: "InService",
        broken: "Failed",
    }
    assert requests.names == [stable_endpoint, broken, "gone"]
    assert environment.stderr_lines == []


def test_waiting_shows_a_line_for_each_change(
    environment: Opened, hosting: Hosting, configuration: str, stable_endpoint: str, other: Engine
) -> None:
    name = hosting.endpoint(configuration)
    hosting.settled(name)
    finish = Event()
    alarm = hosting.alarm("settle")

    def slow(handler: Any, _: Mapping[str, Any]) -> None:
        finish.wait(HANG_SECONDS)
        respond(handler, 200, b"{}")

    def advance(endpoint: Mapping[str, Any]) -> None:
        """Run a step after each reported stage; the new fleet stops after its response."""
        if endpoint["EndpointStatus"] == "RollingBack":
            finish.set()
        elif "Baking" in json.dumps(endpoint.get("PendingDeploymentSummary"), default=str):
            eventually(lambda: bool(other.requests))
            alarm.trigger()
        elif endpoint["EndpointStatus"] == "Updating":
            other.healthy = True

    other.healthy, other.behaviour = False, slow
    routing = {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        "WaitIntervalInSeconds": 3600,
    }
    hosting.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=hosting.configuration(container=other.container, **PATIENT),
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing},
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "settle"}]},
        },
    )
    with load(hosting.aws, name), recorded_requests(environment.context.access) as requests:
        requests.on_response = lambda endpoint: (
            advance(endpoint) if endpoint["EndpointName"] == name else None
        )
        descriptions = wait_until_stable(environment.context, [stable_endpoint, name])
    assert descriptions[name]["EndpointStatus"] == "InService"
    assert descriptions[name]["EndpointConfigName"] == configuration
    first, *lines = environment.stderr_lines
    assert first == "waiting for SageMaker …"
    assert [line for line in lines if lines.count(line) > 1] == []
    assert lines[0] == (f"{name}: Updating, starting instances, 0 % of the traffic on the new fleet")
    assert f"{name}: Updating, baking, 50 % of the traffic on the new fleet" in lines
    assert lines[-1].startswith(f"{name}: RollingBack, ")
    assert requests.names.count(stable_endpoint) == 1


def test_an_endpoint_deleted_meanwhile_is_omitted(
    environment: Opened, account: AwsAccess, hosting: Hosting, configuration: str
) -> None:
    name = hosting.endpoint(configuration)
    hosting.settled(name)
    running = call(account, "/_toolkit/status")["processes"]
    (pid,) = [server["pid"] for server in running if server["name"].startswith(f"{name}/")]
    process = psutil.Process(pid)
    process.suspend()  # it stops when it continues
    hosting.sagemaker.delete_endpoint(EndpointName=name)
    with recorded_requests(environment.context.access) as requests:
        requests.on_response = lambda _: process.resume() if process.is_running() else None
        assert wait_until_stable(environment.context, [name]) == {}
    assert f"{name}: Deleting" in environment.stderr_lines


def test_denied_access_does_not_count_as_missing(
    unprivileged: AwsAccess, tmp_path_factory: pytest.TempPathFactory, stable_endpoint: str
) -> None:
    environment = opened(tmp_path_factory.mktemp("nobody"), unprivileged)
    with pytest.raises(ClientError, match="AccessDenied"):
        wait_until_stable(environment.context, [stable_endpoint])


def test_an_invalid_name_does_not_count_as_missing(environment: Opened) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        wait_until_stable(environment.context, ["not_a_name"])


def test_failed_endpoints_are_listed_by_model(environment: Opened, stable_endpoint: str, broken: str) -> None:
    context = environment.context
    descriptions = wait_until_stable(context, [stable_endpoint, broken])
    assert failed_models(context, descriptions) == ["m"]
    assert (
        failed_models(
            context, {"llm-x-m": descriptions[stable_endpoint], "llm-x-n": descriptions[stable_endpoint]}
        )
        == []
    )
