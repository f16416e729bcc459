"""Objectives are exceeded only with evidence, and the sample has the declared size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from toolkit.environment.expectations import Objectives
from toolkit.smoke.objectives import ObjectiveChecks, Times
from toolkit.smoke.results import FailedError, NotRunError, OutOfTokensError


def checks(times: Iterator[Times], seconds: float = 600, **members: Any) -> ObjectiveChecks:
    objectives = Objectives.model_validate(members)
    return ObjectiveChecks(
        "chat", objectives, lambda: next(times), seconds, 0.0, lambda command: f"toolkit {command}"
    )


def sample(slow: int, count: int = 75) -> Iterator[Times]:
    """Two of the warm-up, then requests of which some are slow."""
    yield from [Times(9000, 9000, 9000)] * 2
    yield from [Times(900, 90, 1900)] * slow + [Times(100, 10, 1100)] * (count - slow)


LIMITS = {"first_token_ms": 500, "inter_token_ms": 50, "total_ms": 1500}


@pytest.mark.parametrize("key", LIMITS)
@pytest.mark.parametrize(("slow", "note"), [(0, ""), (1, "; undecided"), (8, "; undecided")])
def test_few_slow_requests_are_no_alarm(key: str, slow: int, note: str) -> None:
    text = checks(sample(slow), **LIMITS).check(key)
    assert text.startswith("p95 ")
    assert "of 75 requests, 95 % interval" in text
    assert ("undecided" in text) == bool(note)


@pytest.mark.parametrize("key", LIMITS)
def test_many_slow_requests_exceed_an_objective(key: str) -> None:
    with pytest.raises(FailedError, match=r"objective (500|50|1500) ms") as caught:
        checks(sample(9), **LIMITS).check(key)
    assert caught.value.cause is not None
    assert "overloaded" in caught.value.cause


def test_objectives_share_one_sample_until_a_repetition() -> None:
    endless = iter(lambda: Times(100, 10, 1100), None)
    counted: list[Times] = []

    def count() -> Iterator[Times]:
        for times in endless:
            counted.append(times)
            yield times

    judged = checks(count(), requests=5, warm_up=1, **LIMITS)
    for key in LIMITS:
        judged.check(key)
    assert len(counted) == 6
    judged.check("total_ms")
    assert len(counted) == 12


def test_a_failed_request_is_slower_than_any_objective() -> None:
    def times() -> Iterator[Times]:
        yield from [Times(error="HTTP 500")] * 20 + [Times(1, 1, 1)] * 55

    with pytest.raises(FailedError, match=r"p95 ∞ ms .* first error: HTTP 500") as caught:
        checks(times(), warm_up=0, total_ms=3_600_000).check("total_ms")
    assert (caught.value.cause, caught.value.command) == ("requests fail", "toolkit logs chat")


@pytest.mark.parametrize(("failures", "exceeded"), [(0, False), (1, False), (5, True)])
def test_the_share_of_errors(failures: int, exceeded: bool) -> None:
    times = iter([Times(error="HTTP 500")] * failures + [Times(1, 1, 1)] * (75 - failures))
    judged = checks(times, warm_up=0, error_percent=2)
    if exceeded:
        with pytest.raises(FailedError, match=r"errors 6.67 % of 75 requests"):
            judged.check("error_percent")
    else:
        assert "; undecided: too few requests to confirm it" in judged.check("error_percent")


def test_a_failed_request_counts_and_a_refused_key_does_not() -> None:
    def fails() -> Times:
        raise FailedError("HTTP 500: no", "the model's server fails", "logs")

    def refuses() -> Times:
        raise NotRunError("the budget is used up")

    objectives = Objectives(error_percent=1, requests=5, warm_up=0)
    judged = ObjectiveChecks("chat", objectives, fails, 60, 0.0, str)
    with pytest.raises(FailedError, match="first error: HTTP 500: no") as caught:
        judged.check("error_percent")
    assert (caught.value.cause, caught.value.command) == ("the model's server fails", "logs")
    judged.measure = refuses
    with pytest.raises(NotRunError, match="budget"):
        judged.check("error_percent")


def test_requests_refused_for_want_of_tokens_do_not_count() -> None:
    outcomes = iter([Times(1, 1, 1), OutOfTokensError("no tokens", 0)] * 5)

    def measure() -> Times:
        outcome = next(outcomes)
        if isinstance(outcome, OutOfTokensError):
            raise outcome
        return outcome

    objectives = Objectives(error_percent=1, requests=5, warm_up=0)
    judged = ObjectiveChecks("chat", objectives, measure, 60, 0.0, str)
    assert judged.check("error_percent").startswith("errors 0 % of 5 requests")
    outcomes = iter([Times(1, 1, 1), OutOfTokensError("no tokens", 3600)])
    assert judged.check("error_percent").startswith("errors 0 % of 1 requests")
    outcomes = iter([OutOfTokensError("no tokens", 3600)])
    with pytest.raises(NotRunError, match="no tokens"):
        judged.check("error_percent")


def test_the_time_limit_ends_the_sample() -> None:
    endless = iter(lambda: Times(1, 1, 1), None)
    assert "of 1 requests" in checks(endless, seconds=-1, warm_up=0, total_ms=10).check("total_ms")


def test_responses_of_one_part_have_no_inter_token_latency() -> None:
    times = iter([Times(1, None, 1)] * 75)
    with pytest.raises(FailedError, match="each response has one part"):
        checks(times, warm_up=0, inter_token_ms=10).check("inter_token_ms")
