"""Failed updates, pausing and destroying, on the embedded cloud.

The tests share two endpoints and depend on their order, because starting the provider takes most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.cloud import Engine, eventually
from tests.support.endpoints import Stack
from tests.support.terraform import Rig
from toolkit.errors import TerraformError

pytestmark = pytest.mark.slow

ROLLED_BACK, STUCK, STILLBORN = "rolled-back", "stuck", "stillborn"
UNHEALTHY = {"OPENAI_BASE_URL": "http://192.0.2.1/v1"}
ROLLING = {"strategy": "rolling", "percent": 50, "wait_seconds": 0, "timeout_seconds": 3600}
BUCKET = "failures-weights"
Resources = dict[str, list[str]]


@dataclass
class Scenario:
    """The endpoints and their recorded states.

    Attributes:
        own: the model server of the stuck endpoint.
        before: resources before the failed update.
        serving: endpoint configurations before the failed update.
        error: error of the failed update.
        failed: resources after the failed update.
    """

    stack: Stack
    own: Engine
    before: Resources = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    error: str = ""
    failed: Resources = field(default_factory=dict)

    def configuration(self, name: str) -> str:
        """The endpoint's current configuration."""
        return str(self.stack.describe(name)["EndpointConfigName"])

    def status(self, name: str) -> str:
        """The endpoint's status."""
        return str(self.stack.describe(name)["EndpointStatus"])

    def declare_stuck(self, weights: str) -> None:
        """Declare an endpoint with two instances that load weights and are updated one after the other."""
        s3 = self.stack.rig.cloud.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"{weights}/weights", Body=weights.encode())
        settings: dict[str, Any] = {"capacity": {"min": 2, "max": 2}, "instance_count": 2}
        uri, environment = f"s3://{BUCKET}/{weights}/", self.own.container["Environment"]
        self.stack.declare(STUCK, rollout=ROLLING, model_data_s3_uri=uri, environment=environment, **settings)

    def remove(self, weights: str) -> Callable[[], None]:
        """A function that deletes weights."""
        s3 = self.stack.rig.cloud.client("s3")
        return lambda: s3.delete_object(Bucket=BUCKET, Key=f"{weights}/weights")


@pytest.fixture(scope="module")
def scenario(rig: Rig) -> Iterator[Scenario]:
    """Two running endpoints; destroys whatever is left of them."""
    engine, own = Engine(), Engine()
    rig.cloud.client("s3").create_bucket(Bucket=BUCKET)
    scenario = Scenario(Stack(rig, "failures", engine), own)
    scenario.stack.declare(ROLLED_BACK)
    scenario.declare_stuck("old")
    scenario.stack.apply()
    scenario.before = scenario.stack.remaining()
    scenario.serving = {name: scenario.configuration(name) for name in (ROLLED_BACK, STUCK)}
    yield scenario
    scenario.stack.paused = False
    scenario.stack.destroy()
    engine.stop()
    own.stop()


@pytest.fixture(scope="module")
def failed(scenario: Scenario) -> Scenario:
    """SageMaker rolls back the first endpoint's update, but cannot roll back the second one's."""
    scenario.stack.declare(ROLLED_BACK, environment=UNHEALTHY)
    scenario.declare_stuck("new")
    scenario.remove("old")()
    scenario.own.before_health_check = scenario.remove("new")  # after the first new instance has loaded them
    with pytest.raises(TerraformError) as caught:
        scenario.stack.apply()
    scenario.own.before_health_check = lambda: None
    scenario.error = "\n".join([caught.value.message, *caught.value.details])
    scenario.failed = scenario.stack.remaining()
    return scenario


@pytest.fixture(scope="module")
def repaired(failed: Scenario) -> Scenario:
    """The first endpoint has its old content again, the second one has new content."""
    failed.stack.declare(ROLLED_BACK)
    failed.declare_stuck("other")
    failed.stack.apply()
    return failed


def test_pausing_deletes_endpoints_and_resuming_restores_them(scenario: Scenario) -> None:
    stack = scenario.stack
    stack.paused = True
    stack.apply()
    # The provider does not wait until endpoints are deleted.
    eventually(lambda: stack.remaining() == {**scenario.before, "endpoints": [], "alarms": [], "targets": []})
    assert stack.workspace().outputs()["configurations"] == scenario.serving
    stack.paused = False
    stack.apply()
    assert {name: scenario.configuration(name) for name in scenario.serving} == scenario.serving


def test_after_a_rollback_nothing_is_deleted(failed: Scenario) -> None:
    """SageMaker keeps the old fleet, Terraform its model and configuration."""
    serving = failed.serving[ROLLED_BACK]
    assert f"rolled back: {ROLLED_BACK} is on {serving}" in failed.error
    assert failed.stack.workspace().outputs()["configurations"][ROLLED_BACK] != serving
    assert failed.status(ROLLED_BACK) == "InService"
    for kind in ("models", "configurations"):
        assert set(failed.before[kind]) < set(failed.failed[kind])


def test_a_failed_rollback_is_reported(failed: Scenario) -> None:
    eventually(lambda: failed.status(STUCK) == "UpdateRollbackFailed")
    assert failed.configuration(STUCK) == failed.serving[STUCK]


def test_reverting_only_deletes_the_failed_resources(failed: Scenario) -> None:
    failed.stack.declare(ROLLED_BACK)
    failed.declare_stuck("old")
    actions = failed.stack.actions()
    alarm = 'aws_cloudwatch_metric_alarm.rollout["AllTraffic/server-errors"]'
    assert {address: action for address, action in actions.items() if action != "delete"} == {
        f'module.endpoint["{name}"].{alarm}': "update" for name in (ROLLED_BACK, STUCK)
    }


def test_the_reverted_endpoint_has_its_old_resources(repaired: Scenario) -> None:
    assert repaired.stack.remaining(ROLLED_BACK) == {
        kind: [name for name in names if ROLLED_BACK in name] for kind, names in repaired.before.items()
    }
    assert repaired.configuration(ROLLED_BACK) == repaired.serving[ROLLED_BACK]
    assert repaired.stack.actions() == {}


def test_an_update_after_a_failed_rollback_succeeds(repaired: Scenario) -> None:
    assert repaired.status(STUCK) == "InService"
    assert repaired.configuration(STUCK) == repaired.stack.workspace().outputs()["configurations"][STUCK]
    assert [len(repaired.stack.remaining(STUCK)[kind]) for kind in ("models", "configurations")] == [1, 1]


def test_failed_updates_and_creations_are_recorded(repaired: Scenario) -> None:
    """The fixture destroys them in the end."""
    repaired.stack.declare(ROLLED_BACK, environment=UNHEALTHY)
    repaired.stack.declare(STILLBORN, environment=UNHEALTHY)
    with pytest.raises(TerraformError):
        repaired.stack.apply()
    assert repaired.status(STILLBORN) == "Failed"
    assert len(repaired.stack.remaining(ROLLED_BACK, STILLBORN)["models"]) == 3
