"""Updates of endpoints under load, with AWS's waiting times scaled down."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import (
    PATIENT,
    Aws,
    Engine,
    Hosting,
    aws_clients,
    eventually,
    make_checkout,
    paced,
    respond,
    stream,
)
from tests.support.load import load
from toolkit.console import Console
from toolkit.local import client, timescale
from toolkit.project import Project

pytestmark = pytest.mark.slow

OLD, NEW = {"fleet": "old"}, {"fleet": "new"}


@pytest.fixture(scope="module")
def quick_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = make_checkout(tmp_path_factory.mktemp("quick") / "checkout")
    yield project
    client.stop(project, Console())


@pytest.fixture(scope="module")
def aws(quick_checkout: Project) -> Aws:
    """Clients of a cloud in which ten minutes take 1.2 seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(timescale.SETTING, "0.002")
        return aws_clients(client.ensure_running(quick_checkout, Console()))


def streams(body: bytes) -> Callable[[Any, Any], None]:
    """Responses, streamed or not, that take longer than the traffic shift."""
    return lambda handler, _: stream(handler, paced([body[:5], body[5:9], body[9:]], 0.1))


@pytest.fixture
def engines() -> Iterator[tuple[Engine, Engine]]:
    """The servers behind the old and the new fleet."""
    with contextlib.ExitStack() as stack:
        old, new = Engine(), Engine()
        stack.callback(old.stop)
        stack.callback(new.stop)
        old.behaviour = streams(b'{"fleet": "old"}')
        new.behaviour = streams(b'{"fleet": "new"}')
        yield old, new


@pytest.fixture
def engine(engines: tuple[Engine, Engine]) -> Engine:
    return engines[0]


def size(value: int) -> dict[str, Any]:
    return {"Type": "CAPACITY_PERCENT", "Value": value}


def blue_green(type_: str = "ALL_AT_ONCE", *, wait: int = 0, bake: int = 0, **members: Any) -> dict[str, Any]:
    sizes = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
    routing: dict[str, Any] = {"Type": type_, "WaitIntervalInSeconds": wait}
    if type_ in sizes:
        routing[sizes[type_]] = size(members.pop("percent"))
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": bake, **members}
    return {"BlueGreenUpdatePolicy": policy}


def rolling(wait: int) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": size(50), "WaitIntervalInSeconds": wait}}


def watched(config: dict[str, Any], *alarms: str) -> dict[str, Any]:
    names = [{"AlarmName": alarm} for alarm in alarms]
    return config | {"AutoRollbackConfiguration": {"Alarms": names}}


def processes(project: Project, endpoint: str) -> list[int]:
    status = client.status(project)
    assert status is not None
    return [process.pid for process in status.processes if process.name.startswith(f"{endpoint}/")]


class Update:
    """An endpoint on its old configuration, and its update to a new one.

    Attributes:
        descriptions: the distinct descriptions, in order; short-lived ones may be missing.
    """

    def __init__(
        self, hosting: Hosting, engines: tuple[Engine, Engine], project: Project, count: int = 1
    ) -> None:
        self.hosting = hosting
        self._log = project.local_cloud / "cloud.log"
        self.old, self.new = (
            hosting.configuration(container=engine.container, InitialInstanceCount=count, **PATIENT)
            for engine in engines
        )
        self.endpoint = hosting.endpoint(self.old)
        assert hosting.settled(self.endpoint)["EndpointStatus"] == "InService"
        self.descriptions: list[dict[str, Any]] = []

    def history(self) -> list[tuple[str, int, int, int]]:
        """The log of the update: stage, share of the traffic, new and old instances."""
        line = rf"endpoint {self.endpoint}: (\w+), (\d+) % of the traffic, (\d+) new and (\d+) old"
        matches = re.findall(line, self._log.read_text())
        return [(stage, int(share), int(new), int(old)) for stage, share, new, old in matches]

    def start(self, config: dict[str, Any], new: str | None = None) -> None:
        self.hosting.sagemaker.update_endpoint(
            EndpointName=self.endpoint, EndpointConfigName=new or self.new, DeploymentConfig=config
        )

    def describe(self) -> dict[str, Any]:
        description: dict[str, Any] = self.hosting.sagemaker.describe_endpoint(EndpointName=self.endpoint)
        del description["ResponseMetadata"]
        if not self.descriptions or self.descriptions[-1] != description:
            self.descriptions.append(description)
        return description

    def settle(self) -> dict[str, Any]:
        eventually(lambda: self.describe()["EndpointStatus"] in ("InService", "Failed"))
        return self.descriptions[-1]

    def shares(self) -> list[float]:
        """The new fleet's shares of the traffic in order; the descriptions match."""
        shares = list(dict.fromkeys(share / 100 for _, share, _, _ in self.history()))
        for description in self.descriptions:
            pending = description.get("PendingDeploymentSummary")
            if pending and description["EndpointStatus"] == "Updating":
                share = pending["ProductionVariants"][0]["CurrentWeight"]
                assert share + description["ProductionVariants"][0]["CurrentWeight"] == pytest.approx(1)
                assert share in shares
        return shares


def test_a_canary_under_load_fails_no_request(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout)
    with load(hosting.aws, update.endpoint, plain=4, streaming=4) as running:
        eventually(lambda: len(running.responses) > 20)
        # Without bake time the old fleet drains while it has requests.
        config = blue_green("CANARY", percent=25, wait=600)
        engines[1].healthy = False
        update.start(config)
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            hosting.sagemaker.delete_endpoint(EndpointName=update.endpoint)
        engines[1].healthy = True
        final = update.settle()
        settled, answered_by_old = len(running.responses), len(engines[0].requests)
        eventually(lambda: len(running.responses) > settled + 20)
    assert running.errors == []
    assert (final["EndpointStatus"], final["EndpointConfigName"]) == ("InService", update.new)
    assert final["LastDeploymentConfig"] == config
    assert "FailureReason" not in final
    assert update.shares() == [0, 0.25, 1]
    stages = [stage for stage, _, _, _ in update.history()]
    assert stages == ["Creating", "ActivatingTraffic", "Baking", "ActivatingTraffic", "Baking"]
    assert NEW in running.responses
    assert len(engines[0].requests) == answered_by_old
    assert len(processes(quick_checkout, update.endpoint)) == 1


def test_linear_steps_happen_in_order(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout)
    update.start(blue_green("LINEAR", percent=25, wait=60))
    assert update.settle()["EndpointConfigName"] == update.new
    assert update.shares() == [0, 0.25, 0.5, 0.75, 1]


def test_an_alarm_while_baking_rolls_back(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout)
    engines[1].behaviour = lambda handler, _: respond(handler, 500, b"{}")
    hosting.error_alarm("server-errors", update.endpoint, update.new)
    with load(hosting.aws, update.endpoint, plain=2) as running:
        update.start(watched(blue_green("CANARY", percent=50, wait=3600), "no-such-alarm", "server-errors"))
        final = update.settle()
        failed = len(engines[1].requests)
        settled = len(running.responses)
        eventually(lambda: len(running.responses) > settled + 10)
    assert (final["EndpointStatus"], final["EndpointConfigName"]) == ("InService", update.old)
    assert (
        "rolled back because an alarm is in the ALARM state: server-errors (Threshold Crossed"
        in final["FailureReason"]
    )
    assert "PendingDeploymentSummary" not in final
    assert final["ProductionVariants"][0]["CurrentWeight"] == 1
    assert len(processes(quick_checkout, update.endpoint)) == 1
    # Only requests to the canary failed, and none after the rollback.
    assert 0 < failed == len(engines[1].requests) == len(running.errors)
    assert running.responses[-10:] == [OLD] * 10


def test_an_unhealthy_fleet_gets_no_traffic(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout)
    engines[1].healthy = False
    limited = hosting.configuration(
        container=engines[1].container, ContainerStartupHealthCheckTimeoutInSeconds=60
    )
    with load(hosting.aws, update.endpoint, plain=1, streaming=1) as running:
        update.start(blue_green(), limited)
        final = update.settle()
    assert (final["EndpointStatus"], final["EndpointConfigName"]) == ("InService", update.old)
    assert "did not pass the ping health check" in final["FailureReason"]
    assert "within 60 seconds" in final["FailureReason"]
    assert running.errors == []
    assert all(fleet == OLD for fleet in running.responses)
    assert engines[1].requests == []
    assert update.shares() == [0]
    # There was nothing to roll back.
    assert {description["EndpointStatus"] for description in update.descriptions} <= {"Updating", "InService"}


def test_an_update_beyond_its_time_limit_rolls_back(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout)
    limit = {"MaximumExecutionTimeoutInSeconds": 600}
    update.start(blue_green("CANARY", percent=50, wait=3600, **limit))
    final = update.settle()
    assert final["EndpointConfigName"] == update.old
    assert "maximum execution time of 600 seconds" in final["FailureReason"]
    assert update.shares() == [0, 0.5]


def counts(description: dict[str, Any]) -> tuple[int, int]:
    """Instances of the old and of the new fleet."""
    pending = description.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    fleets = [description["ProductionVariants"], pending]
    old, new = (sum(variant["CurrentInstanceCount"] for variant in variants) for variants in fleets)
    return old, new


def test_a_rolling_update_replaces_instances_in_batches(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout, count=2)
    with load(hosting.aws, update.endpoint, plain=2, streaming=2) as running:
        update.start(rolling(wait=600))
        final = update.settle()
    assert running.errors == []
    assert final["EndpointConfigName"] == update.new
    # Together, the fleets have at least the endpoint's instances and at most one batch more.
    instance_counts = list(dict.fromkeys((old, new) for _, _, new, old in update.history()))
    assert instance_counts == [(2, 0), (2, 1), (1, 1), (1, 2)]
    assert {counts(description) for description in update.descriptions} <= {*instance_counts, (0, 2)}
    assert update.shares() == [0, 0.5, 1]


def test_a_rolled_back_rolling_update_restores_its_instances(
    hosting: Hosting, engines: tuple[Engine, Engine], quick_checkout: Project
) -> None:
    update = Update(hosting, engines, quick_checkout, count=2)
    alarm, checks = hosting.alarm("by-hand"), itertools.count()

    def only_the_first() -> None:
        """The second new instance does not become healthy."""
        engines[1].healthy = next(checks) == 0

    engines[1].before_health_check = only_the_first
    with load(hosting.aws, update.endpoint, plain=2) as running:
        update.start(watched(rolling(wait=60), "by-hand"))
        eventually(lambda: counts(update.describe()) == (1, 1))
        alarm.trigger("seen by a person")
        final = update.settle()
    assert running.errors == []
    assert final["EndpointConfigName"] == update.old
    assert final["FailureReason"].endswith("by-hand (seen by a person)")
    assert "RollingBack" in [description["EndpointStatus"] for description in update.descriptions]
    assert counts(final) == (2, 0)
