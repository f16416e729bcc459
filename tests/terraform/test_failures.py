"""Updates that fail, and pauses, on the embedded cloud: what is kept, mended and destroyed.

One life of two endpoints, in which each test looks at what its fixture did last: most of a run's time is
the provider's start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.cloud import Engine, eventually
from tests.support.endpoints import Stack
from tests.support.terraform import Rig
from toolkit.errors import TerraformError

pytestmark = pytest.mark.slow

BACK, STUCK, STILLBORN = "taken-back", "stuck", "stillborn"
UNHEALTHY = {"OPENAI_BASE_URL": "http://192.0.2.1/v1"}
ROLLING = {"strategy": "rolling", "percent": 50, "wait_seconds": 0, "timeout_seconds": 3600}
BUCKET = "failures-weights"
Left = dict[str, list[str]]


@dataclass
class Life:
    """The endpoints and what was seen of them.

    Attributes:
        own: the server of the endpoint that gets stuck.
        before: what there was of them when all were well.
        serving: their configurations then.
        error: why the update failed.
        failed: what there was after it.
    """

    stack: Stack
    own: Engine
    before: Left = field(default_factory=dict)
    serving: dict[str, str] = field(default_factory=dict)
    error: str = ""
    failed: Left = field(default_factory=dict)

    def configuration(self, name: str) -> str:
        """What an endpoint is on."""
        return str(self.stack.describe(name)["EndpointConfigName"])

    def status(self, name: str) -> str:
        """In SageMaker's words."""
        return str(self.stack.describe(name)["EndpointStatus"])

    def declare_stuck(self, weights: str) -> None:
        """Two instances, which load weights when they start and are updated one after the other."""
        s3 = self.stack.rig.cloud.client("s3")
        s3.put_object(Bucket=BUCKET, Key=f"{weights}/weights", Body=weights.encode())
        settings: dict[str, Any] = {"capacity": {"min": 2, "max": 2}, "instance_count": 2}
        uri, environment = f"s3://{BUCKET}/{weights}/", self.own.container["Environment"]
        self.stack.declare(STUCK, rollout=ROLLING, model_data_s3_uri=uri, environment=environment, **settings)

    def remove(self, weights: str) -> Callable[[], None]:
        """What takes weights away."""
        s3 = self.stack.rig.cloud.client("s3")
        return lambda: s3.delete_object(Bucket=BUCKET, Key=f"{weights}/weights")


@pytest.fixture(scope="module")
def made(rig: Rig) -> Iterator[Life]:
    """Two endpoints that run; in the end, nothing is left of whatever became of them."""
    engine, own = Engine(), Engine()
    rig.cloud.client("s3").create_bucket(Bucket=BUCKET)
    life = Life(Stack(rig, "failures", engine), own)
    life.stack.declare(BACK)
    life.declare_stuck("old")
    life.stack.apply()
    life.before = life.stack.left()
    life.serving = {name: life.configuration(name) for name in (BACK, STUCK)}
    yield life
    life.stack.paused = False
    life.stack.destroy()
    engine.stop()
    own.stop()


@pytest.fixture(scope="module")
def failed(made: Life) -> Life:
    """The first gets an update that SageMaker takes back, the second one that it cannot take back."""
    made.stack.declare(BACK, environment=UNHEALTHY)
    made.declare_stuck("new")
    made.remove("old")()
    made.own.asked = made.remove("new")  # by then the first new instance has them
    with pytest.raises(TerraformError) as caught:
        made.stack.apply()
    made.own.asked = lambda: None
    made.error = "\n".join([caught.value.message, *caught.value.details])
    made.failed = made.stack.left()
    return made


@pytest.fixture(scope="module")
def mended(failed: Life) -> Life:
    """The first is declared as it was before, the second with something else."""
    failed.stack.declare(BACK)
    failed.declare_stuck("other")
    failed.stack.apply()
    return failed


def test_paused(made: Life) -> None:
    stack = made.stack
    stack.paused = True
    stack.apply()
    for name in made.serving:
        with pytest.raises(ClientError, match="Could not find"):
            stack.describe(name)
    assert stack.left() == {**made.before, "endpoints": [], "alarms": [], "targets": []}
    assert stack.workspace().outputs()["configurations"] == made.serving
    stack.paused = False
    stack.apply()
    assert {name: made.configuration(name) for name in made.serving} == made.serving


def test_taken_back(failed: Life) -> None:
    """SageMaker keeps the old fleet, and so does Terraform what the old fleet is made of."""
    serving = failed.serving[BACK]
    assert f"rolled back: {BACK} is on {serving}" in failed.error
    assert failed.stack.workspace().outputs()["configurations"][BACK] != serving
    assert failed.status(BACK) == "InService"
    for kind in ("models", "configurations"):
        assert set(failed.before[kind]) < set(failed.failed[kind])


def test_not_taken_back(failed: Life) -> None:
    eventually(lambda: failed.status(STUCK) == "UpdateRollbackFailed")
    assert failed.configuration(STUCK) == failed.serving[STUCK]


def test_what_served_before_is_still_there(failed: Life) -> None:
    """Going back makes nothing new, and takes nothing away but the failure."""
    failed.stack.declare(BACK)
    failed.declare_stuck("old")
    actions = failed.stack.actions()
    alarm = 'aws_cloudwatch_metric_alarm.rollout["AllTraffic/server-errors"]'
    assert {address: action for address, action in actions.items() if action != "delete"} == {
        f'module.endpoint["{name}"].{alarm}': "update" for name in (BACK, STUCK)
    }


def test_what_served_before_serves_again(mended: Life) -> None:
    assert mended.stack.left(BACK) == {
        kind: [each for each in rows if BACK in each] for kind, rows in mended.before.items()
    }
    assert mended.configuration(BACK) == mended.serving[BACK]
    assert mended.stack.actions() == {}


def test_after_an_update_that_was_not_taken_back_comes_another_and_all_that_is_old_goes(mended: Life) -> None:
    assert mended.status(STUCK) == "InService"
    assert mended.configuration(STUCK) == mended.stack.workspace().outputs()["configurations"][STUCK]
    assert [len(mended.stack.left(STUCK)[kind]) for kind in ("models", "configurations")] == [1, 1]


def test_destroyed_half_way(mended: Life) -> None:
    """In the end there is a failed update and a failed creation to destroy."""
    mended.stack.declare(BACK, environment=UNHEALTHY)
    mended.stack.declare(STILLBORN, environment=UNHEALTHY)
    with pytest.raises(TerraformError):
        mended.stack.apply()
    assert mended.status(STILLBORN) == "Failed"
    assert len(mended.stack.left(BACK, STILLBORN)["models"]) == 3
