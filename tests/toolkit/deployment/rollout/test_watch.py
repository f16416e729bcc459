"""A look at SageMaker beside Terraform."""

from __future__ import annotations

import threading

from botocore.exceptions import ClientError, ConnectTimeoutError

from tests.toolkit.deployment.fakes import World, statuses
from toolkit.deployment.rollout.watch import Pace, watching


def test_states_follow_sagemaker_and_the_asking_ends_with_the_block() -> None:
    world, asked = World(), threading.Semaphore(0)
    world.sagemaker.notify = asked.release
    world.sagemaker.answers = {"e": [*statuses("Updating", "InService")]}
    with watching(world.context.access, {"m": "e"}) as states:
        for _ in range(3):  # when it is asked for the third time, the second answer is told
            assert asked.acquire(timeout=30)
        assert states() == {"m": "InService"}
    names = [thread.name for thread in threading.enumerate()]
    assert "rollout watch" not in names


def test_what_cannot_be_asked_is_told_and_does_no_harm() -> None:
    world, asked = World(), threading.Semaphore(0)
    world.sagemaker.notify = asked.release
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "DescribeEndpoint")
    unreachable = ConnectTimeoutError(endpoint_url="http://127.0.0.1:1")
    world.sagemaker.answers = {"e": [throttled, unreachable]}
    with watching(world.context.access, {"m": "e"}) as states:
        for _ in range(3):
            assert asked.acquire(timeout=30)
        assert "can't be asked" in states()["m"]


def test_an_endpoint_that_is_not_there_has_no_state() -> None:
    world, asked = World(), threading.Semaphore(0)
    world.sagemaker.notify = asked.release
    with watching(world.context.access, {"m": "e"}) as states:
        assert asked.acquire(timeout=30)
        assert states() == {}


def test_nothing_to_watch_asks_nobody() -> None:
    world = World()
    with watching(world.context.access, {}) as states:
        assert states() == {}
    assert world.sagemaker.asked == []


def test_pauses_grow_while_nothing_happens() -> None:
    pace = Pace(5, 30)
    pauses = [pace.next(changed=False) for _ in range(8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30
    assert pace.next(changed=True) == 5
