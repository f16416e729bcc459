"""Waiting until SageMaker is done."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from tests.toolkit.deployment.fakes import World, missing, statuses
from toolkit.deployment.rollout.settle import failed, settled


def test_what_stands_still_is_not_waited_for() -> None:
    world = World()
    world.sagemaker.answers = {"a": list(statuses("InService")), "b": list(statuses("Failed"))}
    found = settled(world.context, ["a", "b", "gone"])
    assert {name: known["EndpointStatus"] for name, known in found.items()} == {
        "a": "InService",
        "b": "Failed",
    }
    assert world.sagemaker.asked == ["a", "b", "gone"]
    assert world.said.getvalue() == ""


def test_what_moves_is_waited_for_with_a_line_for_each_change() -> None:
    world = World()
    moving = statuses("Updating", "Updating", "RollingBack", "InService")
    world.sagemaker.answers = {"still": list(statuses("InService")), "a": list(moving)}
    assert settled(world.context, ["still", "a"])["a"]["EndpointStatus"] == "InService"
    assert world.said.getvalue().splitlines() == ["waiting for SageMaker …", "a: Updating", "a: RollingBack"]
    assert world.sagemaker.asked.count("still") == 1


def test_one_that_goes_meanwhile_is_gone() -> None:
    world = World()
    world.sagemaker.answers = {"a": [*statuses("Deleting"), missing("a")]}
    assert settled(world.context, ["a"]) == {}


def test_another_refusal_is_not_taken_for_missing() -> None:
    world = World()
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeEndpoint")
    world.sagemaker.answers = {"a": [denied]}
    with pytest.raises(ClientError, match="AccessDenied"):
        settled(world.context, ["a"])


def test_failed_endpoints_are_told_by_their_models() -> None:
    (description,) = statuses("Failed")
    assert failed(World().context, {"llm-x-m": description}) == ["m"]  # type: ignore[dict-item]
    (description,) = statuses("InService")
    assert failed(World().context, {"llm-x-m": description}) == []  # type: ignore[dict-item]
