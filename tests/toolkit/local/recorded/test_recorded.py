"""The embedded cloud responds as AWS did when others recorded it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import Engine
from tests.support.cloudprocess import CloudProcess, running
from tests.toolkit.local.recorded.lab import Lab, text
from tests.toolkit.local.recorded.replays import REPLAYS

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]
# Differences that remain, each with its reason. This list may only get shorter.
ACCEPTED = {
    "body over 10 MB": "koki-develop/lgtm-generator#10 recorded the text alone, the JSON is a report",
}
# Of the cases that agree.
GOAL = 0.95


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProcess]:
    with running(tmp_path_factory.mktemp("recorded")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def lab(cloud: CloudProcess) -> Iterator[Lab]:
    engine = Engine()
    yield Lab(cloud, engine)
    engine.stop()


def agrees(expected: Any, response: Any) -> bool:
    """Whether a response agrees with AWS's: it may have more members."""
    if isinstance(expected, dict):
        return isinstance(response, dict) and all(
            key in response and agrees(value, response[key]) for key, value in expected.items()
        )
    if (
        isinstance(expected, list)
        and expected
        and isinstance(expected[0], str)
        and isinstance(response, list)
    ):
        return (
            set(expected) <= set(response)
            if len(expected) != len(response)
            else sorted(expected) == sorted(response)
        )
    if isinstance(expected, list):
        return (
            isinstance(response, list)
            and len(expected) == len(response)
            and all(map(agrees, expected, response))
        )
    if isinstance(expected, str) and isinstance(response, str):
        return matches(expected.removesuffix(" None"), response)
    return bool(expected == response)


def matches(expected: str, response: str) -> bool:
    """Whether a response has the text before, between and after each `…`, or begins with the text."""
    position = 0
    for number, part in enumerate(expected.split("…")):
        start = response.find(part.strip(), position)
        if start < 0 or (number == 0 and start > 0):
            return False
        position = start + len(part.strip())
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['service']}: {case['case']}")
def test_the_response_is_that_of_aws(lab: Lab, case: dict[str, str]) -> None:
    replay = REPLAYS[case["case"]]
    response = replay(lab)
    try:
        expected = json.loads(case["aws"])
    except ValueError:
        expected, response = case["aws"], text(response)
    agreement = agrees(expected, response)
    if case["case"] in ACCEPTED:
        assert not agreement, "it agrees now: remove it from ACCEPTED"
    else:
        assert agreement, f"{case['source']}\nAWS:   {case['aws']}\nlocal: {text(response)}"


def test_every_case_is_replayed_once() -> None:
    names = [case["case"] for case in CASES]
    assert len(names) == len(set(names))
    assert set(names) == set(REPLAYS)
    assert set(ACCEPTED) <= set(names)
    assert 1 - len(ACCEPTED) / len(names) >= GOAL
