"""Tests of differences keep their level: equal samples rarely differ, shifted ones are found."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bench.statistics import (
    LEVEL,
    holm,
    independent,
    mean_difference,
    percentile_difference,
    share_difference,
)

TRIALS = 100
# At a level of 5 %, more than this many of the trials are significant by chance once in a thousand runs.
MOST = 13


def numbers(seed: int) -> random.Random:
    """Random numbers that are the same in each run."""
    return random.Random(seed)  # noqa: S311


def series(noise: random.Random, count: int, memory: float = 0.0, factor: float = 1.0) -> list[float]:
    """Latencies, of which each resembles the one before."""
    value, values = noise.gauss(0, 1), []
    for _ in range(count):
        value = memory * value + math.sqrt(1 - memory**2) * noise.gauss(0, 1)
        values.append(factor * math.exp(value / 4))
    return values


def significant(trial: Callable[[random.Random], float | None]) -> int:
    """How many of the trials find a difference."""
    noise = numbers(20261130)
    values = [trial(noise) for _ in range(TRIALS)]
    assert None not in values
    return sum(value is not None and value < LEVEL for value in values)


@pytest.mark.slow
@pytest.mark.parametrize(("percent", "count"), [(50, 60), (50, 250), (95, 300)])
def test_equal_samples_rarely_differ(percent: float, count: int) -> None:
    def trial(noise: random.Random) -> float | None:
        difference = percentile_difference(series(noise, count), series(noise, count), percent)
        return 1.0 if difference is None else difference.p

    assert significant(trial) <= MOST


@pytest.mark.slow
def test_requests_that_resemble_their_neighbours_count_less() -> None:
    """Otherwise, a load that varies slowly would pass for a difference."""

    def trial(noise: random.Random) -> float | None:
        difference = percentile_difference(series(noise, 250, 0.8), series(noise, 250, 0.8), 50)
        return 1.0 if difference is None else difference.p

    assert significant(trial) <= MOST
    noise = numbers(1)
    assert independent(series(noise, 2000, 0.8), 0.5) < 600
    assert independent(series(noise, 2000), 0.5) > 1400


def test_a_shift_is_found_with_its_size() -> None:
    noise = numbers(2)
    difference = percentile_difference(series(noise, 400), series(noise, 400, factor=1.2), 50)
    assert difference is not None
    assert difference.p < 0.001
    assert difference.low < 0.2 < difference.high
    assert difference.low <= difference.value <= difference.high


@pytest.mark.slow
def test_the_interval_contains_the_truth() -> None:
    noise, hits = numbers(3), 0
    for _ in range(TRIALS):
        difference = percentile_difference(series(noise, 200), series(noise, 200, factor=1.1), 50)
        assert difference is not None
        hits += difference.low <= 0.1 <= difference.high
    assert TRIALS - hits <= MOST


def test_rare_percentiles_need_many_requests() -> None:
    noise = numbers(4)
    assert percentile_difference(series(noise, 100), series(noise, 100), 95) is None
    assert percentile_difference(series(noise, 12), series(noise, 400), 50) is None


def test_equal_means_rarely_differ_and_a_shift_is_found() -> None:
    def trial(factor: float) -> Callable[[random.Random], float | None]:
        def compare(noise: random.Random) -> float | None:
            difference = mean_difference(series(noise, 20), series(noise, 20, factor=factor))
            return None if difference is None else difference.p

        return compare

    assert significant(trial(1)) <= MOST
    assert significant(trial(1.5)) > TRIALS * 0.95
    assert mean_difference([1.0] * 3, [2.0] * 30) is None
    constant = mean_difference([1.0] * 9, [2.0] * 9)
    assert constant is not None
    assert (constant.value, constant.p) == (1, 0)


def test_parts_that_resemble_their_neighbours_count_less() -> None:
    def trial(noise: random.Random) -> float | None:
        # As the twenty parts of a stage with a minute that is busier than the others.
        difference = mean_difference(series(noise, 20, memory=0.7), series(noise, 20, memory=0.7))
        return None if difference is None else difference.p

    assert significant(trial) <= MOST


def test_fishers_exact_test() -> None:
    # The lady tasting tea: Fisher, The Design of Experiments (1935), chapter 2.
    tea = share_difference((3, 4), (1, 4))
    assert tea is not None
    assert tea.p == pytest.approx(34 / 70)
    many = share_difference((0, 500), (25, 500))
    assert many is not None
    assert many.p < 1e-6
    # Newcombe (1998), table II, contrast (a): 56/70 against 48/80, method 10.
    newcombe = share_difference((48, 80), (56, 70))
    assert newcombe is not None
    assert (newcombe.low, newcombe.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    assert share_difference((0, 0), (1, 2)) is None


def test_holm() -> None:
    # As p.adjust of R with the method "holm".
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


positive = st.lists(st.floats(1e-6, 1e4), min_size=20, max_size=60)


@given(positive, positive)
def test_the_comparison_is_symmetric(before: list[float], after: list[float]) -> None:
    one, other = percentile_difference(before, after, 50), percentile_difference(after, before, 50)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.value == pytest.approx(-other.value)
        assert one.p == pytest.approx(other.p)
        assert 0 <= one.p <= 1
        assert one.low <= one.high


@given(positive)
def test_a_sample_does_not_differ_from_itself(values: list[float]) -> None:
    difference = percentile_difference(values, values, 50)
    assert difference is None or difference.p > LEVEL
