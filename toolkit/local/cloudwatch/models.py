"""Samples of metrics, and statistics over them."""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

# The samples are in memory: a series keeps this many, and at least the newer half of them.
MAX_SAMPLES = 20_000

Dimensions = frozenset[tuple[str, str]]
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sample:
    """A value, or the statistics of a set of values.

    Attributes:
        time: seconds since the epoch.
        total: the value, or the sum of the values.
    """

    time: float
    total: float
    unit: str | None = None
    count: float = 1
    minimum: float | None = None
    maximum: float | None = None

    @property
    def lowest(self) -> float:
        """The smallest value."""
        return self.total if self.minimum is None else self.minimum

    @property
    def highest(self) -> float:
        """The largest value."""
        return self.total if self.maximum is None else self.maximum


@dataclass(frozen=True)
class Metric:
    """The identity of a metric, which includes its exact dimensions."""

    namespace: str
    name: str
    dimensions: Dimensions

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Iterable[Mapping[str, str]]) -> Metric:
        """Create a metric from the API's dimensions, `{"Name": …, "Value": …}`."""
        return cls(namespace, name, frozenset((item["Name"], item["Value"]) for item in dimensions))


class Store:
    """The samples of a region. May be used from any thread."""

    def __init__(self) -> None:
        self._series: dict[Metric, list[Sample]] = {}
        self._lock = threading.Lock()

    def put(self, metric: Metric, samples: Iterable[Sample]) -> None:
        """Add samples in any order."""
        with self._lock:
            series = self._series.setdefault(metric, [])
            for sample in samples:
                # Nearly always the newest.
                if series and sample.time < series[-1].time:
                    bisect.insort(series, sample, key=_time)
                else:
                    series.append(sample)
            if len(series) > MAX_SAMPLES:
                del series[: -MAX_SAMPLES // 2]

    def between(self, metric: Metric, start: float, end: float, unit: str | None = None) -> list[Sample]:
        """Samples from `start` (inclusive) to `end` (exclusive), by time; with a unit, only those with it."""
        with self._lock:
            series = self._series.get(metric, [])
            first = bisect.bisect_left(series, start, key=_time)
            samples = series[first : bisect.bisect_left(series, end, key=_time)]
        return [sample for sample in samples if unit in (None, sample.unit)]

    def by_period(
        self, metric: Metric, start: float, end: float, period: float, unit: str | None = None
    ) -> Iterator[tuple[float, list[Sample]]]:
        """The periods that have samples: the start, a multiple of the period's length, and the samples."""
        begin = start // period * period
        group: list[Sample] = []
        for sample in self.between(metric, begin, end, unit):
            if group and sample.time // period != group[0].time // period:
                yield group[0].time // period * period, group
                group = []
            group.append(sample)
        if group:
            yield group[0].time // period * period, group

    def metrics(self) -> list[Metric]:
        """All metrics that have samples."""
        with self._lock:
            return list(self._series)


def _time(sample: Sample) -> float:
    return sample.time


def statistic(samples: Sequence[Sample], name: str) -> float | None:
    """A statistic over at least one sample.

    Args:
        name: `SampleCount`, `Sum`, `Average`, `Minimum`, `Maximum` or a percentile such as `p99.9`.

    Returns:
        None for any other name, and for a percentile over sets of values.
    """
    if name == "SampleCount":
        return sum(sample.count for sample in samples)
    if name == "Sum":
        return sum(sample.total for sample in samples)
    if name == "Average":
        return sum(sample.total for sample in samples) / sum(sample.count for sample in samples)
    if name == "Minimum":
        return min(sample.lowest for sample in samples)
    if name == "Maximum":
        return max(sample.highest for sample in samples)
    match = _PERCENTILE.fullmatch(name)
    return _percentile(samples, float(match[1])) if match else None


def _percentile(samples: Sequence[Sample], percent: float) -> float | None:
    if any(sample.count != 1 for sample in samples):
        return None
    values = sorted(sample.total for sample in samples)
    rank = percent / 100 * (len(values) - 1)
    below = int(rank)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (rank - below)
