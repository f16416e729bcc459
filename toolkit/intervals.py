"""Confidence intervals of percentiles and shares, exact for samples of any distribution.

The interval of a percentile is the distribution-free one between two order statistics. Of n values, the
number at or below the p-quantile has the binomial distribution B(n, p). So the quantile is at least the l-th
smallest value with the probability P(B >= l), and at most the u-th smallest one with P(B <= u - 1): Hahn and
Meeker, Statistical Intervals, section 5.2; David and Nagaraja, Order Statistics, section 7.1. The interval of
a share is that of Clopper and Pearson (Biometrika 26, 1934). Both assume independent values: those of
requests are, the gaps within one stream are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """An estimate and its confidence interval.

    Attributes:
        estimate: the estimate.
        low: lower bound.
        high: upper bound; infinite if the sample is too small for one.
    """

    estimate: float
    low: float
    high: float


def percentile(values: Sequence[float], percent: float, confidence_percent: float = 95) -> Interval:
    """The percentile of the population from which the values are a sample.

    Args:
        values: at least one; failed requests may be infinite.
        percent: which percentile, between 0 and 100.
        confidence_percent: the least probability with which the interval contains it.
    """
    ordered, count, tail = sorted(values), len(values), (1 - confidence_percent / 100) / 2
    low, high, cumulative = -math.inf, math.inf, 0.0
    for rank, probability in enumerate(_binomial(count, percent / 100)):
        # So far P(B <= rank - 1): the value with index `rank - 1` is the rank-th smallest.
        if rank and cumulative <= tail:
            low = ordered[rank - 1]
        if rank and cumulative >= 1 - tail:
            high = ordered[rank - 1]
            break
        cumulative += probability
    nearest = ordered[max(0, math.ceil(percent / 100 * count - 1e-9) - 1)]
    return Interval(nearest, low, high)


def share_percent(hits: int, count: int, confidence_percent: float = 95) -> Interval:
    """The share of hits in the population, in percent.

    Args:
        hits: hits in the sample.
        count: size of the sample, at least 1.
        confidence_percent: the least probability with which the interval contains the share.
    """
    tail = (1 - confidence_percent / 100) / 2

    def at_least(probability: float) -> float:
        return sum(_binomial(count, probability)[hits:])

    def at_most(probability: float) -> float:
        return sum(_binomial(count, probability)[: hits + 1])

    low = 0.0 if hits == 0 else _solve(lambda share: at_least(share) > tail)
    high = 1.0 if hits == count else _solve(lambda share: at_most(share) < tail)
    return Interval(100 * hits / count, 100 * low, 100 * high)


def _binomial(count: int, probability: float) -> list[float]:
    """P(B = k) of the binomial distribution, for k from 0 to `count`."""
    if probability in (0, 1):
        return [float(k == count * probability) for k in range(count + 1)]
    logs = math.log(probability), math.log1p(-probability)
    combinations = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(count + 1)
    ]
    return [math.exp(combinations[k] + k * logs[0] + (count - k) * logs[1]) for k in range(count + 1)]


def _solve(holds: Callable[[float], bool]) -> float:
    """The least probability for which a condition holds, which holds for all greater ones."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
