"""Judgements: the rule, and requests that only one of two fleets may answer."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError

from tests.support.contexts import opened
from toolkit.aws.access import AwsAccess
from toolkit.deployment.rollout.judgement import Fleet, Judgement, decide
from toolkit.smoke.expectations import judge


@pytest.mark.parametrize(
    ("responses", "met", "count"),
    [
        ("+", True, 1),
        ("-++", True, 3),
        ("-+-+", True, 4),
        ("--++", True, 4),
        ("---++", True, 5),
        ("----", False, 4),
        ("-+---", False, 5),
        ("---+-", False, 5),
    ],
)
def test_four_wrong_answers_of_five_fail(responses: str, met: bool, count: int) -> None:
    script = iter(responses)
    finding = decide("language", lambda: (next(script) == "+", "Bonjour"))
    assert (finding.met, finding.responses, finding.failures) == (met, count, responses.count("-"))
    assert next(script, None) is None
    if not met:
        assert str(finding) == f"language: 4 of {count} answers failed: Bonjour"


@pytest.mark.parametrize(("error_rate", "documented"), [(0.1, 0.0004), (0.2, 0.005), (0.9, 0.85), (1, 1)])
def test_the_probability_of_a_failure_is_as_documented(error_rate: float, documented: float) -> None:
    probability = 0.0
    for outcomes in itertools.product((True, False), repeat=5):
        script = iter(outcomes)
        if not decide("x", lambda script=script: (next(script), "")).met:  # type: ignore[misc]
            probability += math.prod(1 - error_rate if right else error_rate for right in outcomes)
    assert probability == pytest.approx(documented, rel=0.1)


def test_few_requests_miss_a_small_canary() -> None:
    for share in (0.05, 0.1, 0.5):
        fleet = Fleet("e", {"v": "new"}, {"v": "old"}, share)
        assert (1 - share) ** fleet.repetitions < 0.001
    assert fleet.is_sender("v", "new")
    assert not fleet.is_sender("v", "old")
    assert not fleet.is_sender("v", None)


def test_with_all_traffic_only_the_old_name_is_refused() -> None:
    fleet = Fleet("e", {"v": "new"}, {"v": "old"})
    assert [fleet.is_sender("v", name) for name in ("new", None, "old")] == [True, True, False]
    same = Fleet("e", {"v": "m"}, {"v": "m"})
    assert same.is_sender("v", "m")
    assert (fleet.is_known_by_name, same.is_known_by_name) == (True, False)
    assert not Fleet("e", {"v": None}, {"v": "old"}).is_known_by_name
    # One of several variants is the same.
    assert not Fleet("e", {"v": "new", "w": "m"}, {"v": "old", "w": "m"}).is_known_by_name


def test_an_error_before_any_fleet_is_asked_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    further = '    expectations: [{name: capital, prompt: "The capital of France?", contains: [Paris]}]\n'
    access = AwsAccess("us-east-1", "123456789012")
    model = opened(tmp_path, access, further=further).context.environment.models["m"]
    judgement = Judgement(access, model, Fleet("e", {"AllTraffic": None}), judge)
    judgement.wait()
    assert [type(error) for error in judgement.errors] == [NoCredentialsError]
    assert judgement.findings == []
