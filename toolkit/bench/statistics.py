"""Whether two samples differ by more than chance, without assumptions about their distributions.

- Percentiles: the bootstrap. A resample's percentile is an order statistic of the sample, whose distribution
  is known (Harrell and Davis, Biometrika 69, 1982), so that nothing is drawn at random and equal samples give
  equal results. Successive requests resemble each other, so that they count as fewer independent ones: their
  number is divided by the integrated autocorrelation time (Geyer, Statistical Science 7, 1992).
- Rates: the means of equal parts of a stage, by Welch's test. Successive parts resemble each other, too; by
  their autocorrelation at lag 1, corrected for its bias (Kendall, Biometrika 41, 1954).
- Shares, such as errors: Fisher's exact test.
- Several tests at once: Holm's adjustment (Scandinavian Journal of Statistics 6, 1979), so that the
  probability of any false difference among all of them stays below the level.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist, fmean, variance

from toolkit.bench.metrics import percentile

LEVEL = 0.05
# A percentile is compared only with as many independent requests on each side of it.
_TAIL = 10
# Points of a distribution whose probability is below it do not count.
_NEGLIGIBLE = 1e-9
# Autocorrelations beyond it hardly exist, unless the whole stage has a trend.
_MOST_LAGS = 200
# Beyond this autocorrelation, a stage is too short to tell.
_MOST_ALIKE = 0.95
# Points that stand for a distribution in a difference: errors are far below the width of an interval.
_POINTS = 100

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Difference:
    """The second sample's figure minus the first's.

    Attributes:
        value: the difference.
        low: lower end of its 95 % confidence interval.
        high: upper end.
        p: probability of at least such a difference if there is none, not adjusted.
    """

    value: float
    low: float
    high: float
    p: float


def percentile_difference(
    before: Sequence[float], after: Sequence[float], percent: float
) -> Difference | None:
    """Compare a percentile of two samples; None if one has too few values for it.

    Args:
        before: values in the order in which they were measured.
        after: likewise.
        percent: from 0 to 100, both excluded.
    """
    share = percent / 100
    # Tails look less dependent than they are, because few values are in them.
    sizes = [min(independent(values, share), independent(values, 0.5)) for values in (before, after)]
    if any(size * min(share, 1 - share) < _TAIL for size in sizes):
        return None
    first, second = (
        _bootstrap(sorted(values), share, size) for values, size in zip((before, after), sizes, strict=True)
    )
    differences = sorted((y - x, p * q) for x, p in _thinned(first) for y, q in _thinned(second))
    total = sum(weight for _, weight in differences)
    not_above = sum(weight for value, weight in differences if value <= 0) / total
    not_below = sum(weight for value, weight in differences if value >= 0) / total
    return Difference(
        value=percentile(after, percent) - percentile(before, percent),
        low=_quantile(differences, LEVEL / 2 * total),
        high=_quantile(differences, (1 - LEVEL / 2) * total),
        p=min(1.0, 2 * min(not_above, not_below)),
    )


def required(percent: float) -> int:
    """Least number of independent values with which a percentile is compared.

    Args:
        percent: from 0 to 100, both excluded.
    """
    return math.ceil(_TAIL * 100 / min(percent, 100 - percent))


def independent(values: Sequence[float], share: float) -> float:
    """Number of independent values that determine a quantile as precisely as these, which follow each other.

    Args:
        values: in the order in which they were measured.
        share: of the values that are below the quantile.
    """
    count = len(values)
    if count < 2:
        return float(count)
    quantile = sorted(values)[min(int(count * share), count - 1)]
    below = [float(value <= quantile) for value in values]
    mean = fmean(below)
    deviations = [value - mean for value in below]
    spread = sum(deviation * deviation for deviation in deviations)
    if spread <= 0:
        return float(count)
    # Geyer's initial positive sequence: sums of two neighbouring autocorrelations, while they are positive.
    time = -1.0
    for lag in range(0, min(count - 1, _MOST_LAGS), 2):
        pair = sum(sum(map(float.__mul__, deviations, deviations[lag + step :])) / spread for step in (0, 1))
        if pair <= 0:
            break
        time += 2 * pair
    return count / max(time, 1.0)


def mean_difference(before: Sequence[float], after: Sequence[float]) -> Difference | None:
    """Compare the means of two samples by Welch's test; None if one has fewer than five values.

    Args:
        before: values in the order in which they were measured.
        after: likewise.
    """
    if min(len(before), len(after)) < 5:
        return None
    value = fmean(after) - fmean(before)
    sizes = [_independent_means(values) for values in (before, after)]
    parts = [variance(values) / size for values, size in zip((before, after), sizes, strict=True)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Difference(value, value, value, 1.0 if value == 0 else 0.0)
    freedom = sum(parts) ** 2 / sum(part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True))
    # Abramowitz and Stegun 26.7.8 and 26.7.5: Student's t by the normal distribution.
    t = abs(value) / error
    z = t * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t * t / (2 * freedom))
    edge = _NORMAL.inv_cdf(1 - LEVEL / 2)
    width = (edge + (edge**3 + edge) / (4 * freedom)) * error
    return Difference(value, value - width, value + width, 2 * (1 - _NORMAL.cdf(z)))


def _independent_means(values: Sequence[float]) -> float:
    """Number of independent values whose mean varies as much as that of these, which follow each other."""
    count, mean = len(values), fmean(values)
    deviations = [value - mean for value in values]
    spread = sum(deviation * deviation for deviation in deviations)
    if spread <= 0:
        return float(count)
    neighbours = sum(map(float.__mul__, deviations, deviations[1:])) / spread
    neighbours = min(max(0.0, neighbours + (1 + 3 * neighbours) / count), _MOST_ALIKE)
    return max(2.0, count * (1 - neighbours) / (1 + neighbours))


def share_difference(before: tuple[int, int], after: tuple[int, int]) -> Difference | None:
    """Compare two shares by Fisher's exact test; None without any value.

    Args:
        before: number of values that count, and of all values.
        after: likewise.
    """
    (hits, count), (other_hits, other_count) = before, after
    if not count or not other_count:
        return None
    first, second = hits / count, other_hits / other_count
    low, high = _newcombe(first, count, second, other_count)
    return Difference(second - first, low, high, _fisher(hits, count, other_hits, other_count))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Adjust the probabilities of several tests, in their order."""
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__)
    adjusted = [1.0] * len(probabilities)
    most = 0.0
    for rank, index in enumerate(order):
        most = max(most, min(1.0, probabilities[index] * (len(probabilities) - rank)))
        adjusted[index] = most
    return adjusted


def _bootstrap(ordered: Sequence[float], share: float, size: float) -> list[tuple[float, float]]:
    """The distribution of a resample's quantile over the values of the sample: value and probability.

    The probability of a value is that of a beta distribution between its neighbours, taken at the middle.
    """
    count = len(ordered)
    a, b = share * (size + 1), (1 - share) * (size + 1)
    middles = [(index + 0.5) / count for index in range(count)]
    logs = [(a - 1) * math.log(middle) + (b - 1) * math.log1p(-middle) for middle in middles]
    peak = max(logs)
    weights = [math.exp(log - peak) for log in logs]
    total = sum(weights)
    points = [(value, weight / total) for value, weight in zip(ordered, weights, strict=True) if weight > 0]
    return [(value, weight) for value, weight in points if weight > _NEGLIGIBLE]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `_POINTS` points, each the mean of neighbours."""
    step = -(-len(points) // _POINTS)
    groups = [points[start : start + step] for start in range(0, len(points), step)]
    sums = [(sum(weight for _, weight in group), group) for group in groups]
    return [(sum(value * weight for value, weight in group) / total, total) for total, group in sums]


def _quantile(points: Sequence[tuple[float, float]], weight: float) -> float:
    sums = list(accumulate(share for _, share in points))
    return points[min(bisect_left(sums, weight), len(points) - 1)][0]


def _fisher(hits: int, count: int, other_hits: int, other_count: int) -> float:
    """Two-sided: the probability of all tables that are at most as probable as this one."""
    total = hits + other_hits
    least, most = max(0, total - other_count), min(count, total)
    logs = [_log_choose(count, k) + _log_choose(other_count, total - k) for k in range(least, most + 1)]
    peak = max(logs)
    weights = sorted(math.exp(log - peak) for log in logs)
    limit = math.exp(logs[hits - least] - peak) * (1 + 1e-7)
    return min(1.0, sum(weights[: bisect_right(weights, limit)]) / sum(weights))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _newcombe(first: float, count: int, second: float, other: int) -> tuple[float, float]:
    """Newcombe's interval of a difference of shares (Statistics in Medicine 17, 1998, method 10)."""
    (low, high), (other_low, other_high) = _wilson(first, count), _wilson(second, other)
    value = second - first
    return (
        value - math.hypot(second - other_low, high - first),
        value + math.hypot(other_high - second, first - low),
    )


def _wilson(share: float, count: int) -> tuple[float, float]:
    z = _NORMAL.inv_cdf(1 - LEVEL / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    width = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return middle - width, middle + width
