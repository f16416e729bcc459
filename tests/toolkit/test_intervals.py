"""Confidence intervals agree with published tables, and contain the true value as often as they say."""

from __future__ import annotations

import math
import random

import pytest

from toolkit.intervals import percentile, share_percent


@pytest.mark.parametrize(
    ("count", "percent", "low", "high"),
    [
        # The tables of the median at 95 %: Conover, Practical Nonparametric Statistics, table A3.
        (10, 50, 2, 9),
        (25, 50, 8, 18),
        (100, 50, 40, 61),
        # The smallest samples with an upper bound: 0.95 ** 72 and 0.99 ** 368 are below 0.025.
        (71, 95, 63, math.inf),
        (72, 95, 64, 72),
        (367, 99, 359, math.inf),
        (368, 99, 360, 368),
        (1, 95, -math.inf, math.inf),
    ],
)
def test_the_interval_of_a_percentile(count: int, percent: float, low: float, high: float) -> None:
    values = [float(value) for value in range(1, count + 1)]
    random.Random(count).shuffle(values)  # noqa: S311
    interval = percentile(values, percent)
    assert (interval.low, interval.high) == (low, high)
    assert interval.low <= interval.estimate <= interval.high


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # R: binom.test(hits, count)$conf.int
    [(0, 10, 0, 30.8497), (1, 20, 0.1265, 24.8733), (5, 100, 1.6432, 11.2835), (10, 10, 69.1503, 100)],
)
def test_the_interval_of_a_share(hits: int, count: int, low: float, high: float) -> None:
    interval = share_percent(hits, count)
    assert interval.estimate == 100 * hits / count
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-3)


def test_failed_requests_are_the_slowest() -> None:
    assert percentile([1.0] * 60 + [math.inf] * 15, 95).low == math.inf


def test_the_interval_contains_the_percentile_as_stated() -> None:
    draw = random.Random(13)  # noqa: S311
    # Of an exponential distribution, whose 90th percentile is known.
    intervals = [percentile([draw.expovariate(1) for _ in range(75)], 90) for _ in range(2000)]
    covered = sum(interval.low <= math.log(10) <= interval.high for interval in intervals)
    assert covered >= 1880
