from __future__ import annotations

import pytest

from toolkit.local.cloudwatch import models
from toolkit.local.cloudwatch.models import Metric, Sample, Store, statistic

METRIC = Metric.of("AWS/SageMaker", "ModelLatency", [{"Name": "EndpointName", "Value": "llm"}])


def samples(*values: float) -> list[Sample]:
    return [Sample(float(number), value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SampleCount", 5),
        ("Sum", 30),
        ("Average", 6),
        ("Minimum", 2),
        ("Maximum", 10),
        ("p0", 2),
        ("p50", 6),
        ("p90", 9.2),
        ("p99.9", 9.992),
        ("p100", 10),
        ("tm90", None),
    ],
)
def test_statistics(name: str, expected: float | None) -> None:
    value = statistic(samples(8, 2, 10, 4, 6), name)
    assert value == (None if expected is None else pytest.approx(expected))


def test_sets_of_values_have_no_percentiles() -> None:
    samples = [Sample(0, 10, count=4, minimum=1, maximum=5), Sample(1, 7)]
    values = {
        name: statistic(samples, name) for name in ("SampleCount", "Average", "Minimum", "Maximum", "p50")
    }
    assert values == {"SampleCount": 5, "Average": 3.4, "Minimum": 1, "Maximum": 7, "p50": None}


def test_dimensions_identify_a_metric_in_any_order() -> None:
    store = Store()
    pairs = [{"Name": "EndpointName", "Value": "llm"}, {"Name": "VariantName", "Value": "primary"}]
    store.put(Metric.of("N", "M", pairs), samples(1))
    assert store.between(Metric.of("N", "M", pairs[:1]), 0, 9) == []
    assert store.between(Metric.of("N", "M", reversed(pairs)), 0, 9) == samples(1)


def test_periods_are_aligned_and_include_late_samples() -> None:
    store = Store()
    for time in (61, 119, 5, 180):
        store.put(METRIC, [Sample(time, time)])
    periods = [
        (begin, [sample.time for sample in group]) for begin, group in store.by_period(METRIC, 1, 180, 60)
    ]
    assert periods == [(0, [5]), (60, [61, 119])]


def test_the_newest_samples_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MAX_SAMPLES", 10)
    store = Store()
    for time in range(100):
        store.put(METRIC, [Sample(time, 0)])
    times = [sample.time for sample in store.between(METRIC, 0, 100)]
    assert 5 <= len(times) <= 10
    assert times[-1] == 99
