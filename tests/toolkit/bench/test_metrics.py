"""Metrics of known requests."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.bench.metrics import Distribution, of_stage, percentile, time_per_output_token
from toolkit.bench.results import Request, Stage

# Binary fractions, so that sums are exact.
STREAMED = Request(
    started=0.0, first=0.5, gaps=(0.25, 0.25, 0.5), total=2.0, input_tokens=10, output_tokens=5
)
SHORT = Request(started=1.0, first=1.0, total=1.5, input_tokens=20, output_tokens=1)
REFUSED = Request(started=2.0, total=0.25, error="HTTP 429")


def stage(*requests: Request, seconds: float = 4.0, **members: Any) -> Stage:
    return Stage("api", seconds, requests, **{"concurrency": 1, **members})


def test_rates_count_successful_requests_and_their_tokens() -> None:
    metrics = of_stage(stage(STREAMED, SHORT, REFUSED))
    assert (metrics.requests, metrics.requests_per_second) == (3, 0.5)
    assert (metrics.output_tokens_per_second, metrics.input_tokens_per_second) == (1.5, 7.5)


def test_errors_are_counted_by_reason() -> None:
    metrics = of_stage(stage(REFUSED, Request(0, 1, error="timeout"), REFUSED, SHORT))
    assert metrics.errors == {"HTTP 429": 2, "timeout": 1}
    assert list(metrics.errors) == ["HTTP 429", "timeout"]
    assert metrics.error_rate == 0.75


def test_the_time_per_output_token_excludes_the_first_token() -> None:
    # One second for the four tokens after the first, in three parts.
    assert time_per_output_token(STREAMED) == 0.25
    assert time_per_output_token(SHORT) is None
    metrics = of_stage(stage(STREAMED, SHORT))
    assert metrics.time_per_output_token is not None
    assert metrics.output_tokens_per_second_per_user is not None
    assert (metrics.time_per_output_token.count, metrics.time_per_output_token.mean) == (1, 0.25)
    assert metrics.output_tokens_per_second_per_user.mean == 4.0


def test_gaps_of_all_requests_are_one_distribution() -> None:
    metrics = of_stage(stage(STREAMED, STREAMED))
    assert metrics.inter_token_latency is not None
    assert (metrics.inter_token_latency.count, metrics.inter_token_latency.maximum) == (6, 0.5)


def test_failed_requests_have_no_latency() -> None:
    failed = Request(0, 60, first=30.0, gaps=(30.0,), output_tokens=2, error="the stream ended early")
    metrics = of_stage(stage(failed))
    assert metrics.time_to_first_token is metrics.end_to_end_latency is metrics.inter_token_latency is None
    assert metrics.output_tokens_per_second is None


@pytest.mark.parametrize(
    ("objectives", "goodput"),
    [
        ({}, None),
        ({"error_rate": 0.01}, None),
        ({"time_to_first_token": 0.5}, 0.25),
        ({"time_to_first_token": 1.0}, 0.5),
        ({"inter_token_latency": 0.125}, 0.25),  # the other one has no second token
        ({"total": 1.75, "time_to_first_token": 0.75}, 0.0),
    ],
)
def test_goodput_counts_requests_that_meet_all_objectives(
    objectives: dict[str, float], goodput: float | None
) -> None:
    assert of_stage(stage(STREAMED, SHORT, REFUSED), objectives).goodput == goodput


def test_the_steady_rate_ends_with_the_last_start() -> None:
    # Two clients: one sends three requests, the other one a long one, which runs alone from 1.5 s on.
    quick = [Request(start, 0.5, first=0.25, gaps=(0.25,), output_tokens=2) for start in (0.0, 0.5, 1.0)]
    long = Request(0.0, 4.0, first=1.0, gaps=(1.0, 1.0, 1.0), output_tokens=4)
    metrics = of_stage(stage(*quick, long, concurrency=2))
    assert metrics.output_tokens_per_second == 2.5
    # Until the last start, at 1 s: both tokens of two requests, and one of the long one.
    assert metrics.steady_output_tokens_per_second == 5.0
    assert of_stage(stage(*quick, concurrency=None, rate=1.0)).steady_output_tokens_per_second is None


def test_times_of_the_server_by_hop() -> None:
    requests = [Request(0, 1, server={"gateway": 0.25, "model": time}) for time in (0.5, 1.0)]
    server = of_stage(stage(*requests, Request(0, 1, server=None))).server
    assert (server["gateway"].mean, server["model"].maximum, server["model"].count) == (0.25, 1.0, 2)


def test_a_stage_without_requests() -> None:
    metrics = of_stage(stage(seconds=0.0), {"total": 1.0})
    assert (metrics.requests, metrics.requests_per_second, metrics.error_rate, metrics.goodput) == (
        0,
        0,
        0,
        0,
    )
    assert metrics.steady_output_tokens_per_second is None


times = st.floats(min_value=1e-6, max_value=1e4)


@given(st.lists(times, min_size=1), st.floats(min_value=0, max_value=100))
def test_a_percentile_is_between_the_extremes(values: list[float], percent: float) -> None:
    assert min(values) <= percentile(values, percent) <= max(values)
    assert percentile(values, 0) == min(values)
    assert percentile(values, 100) == max(values)


@given(st.lists(times, min_size=2))
def test_percentiles_are_those_of_the_standard_library(values: list[float]) -> None:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    distribution = Distribution.of(values)
    assert distribution is not None
    for percent, value in ((50, "p50"), (90, "p90"), (95, "p95"), (99, "p99")):
        assert getattr(distribution, value) == pytest.approx(cuts[percent - 1])


requests = st.builds(
    lambda started, first, gaps, rest, extra: Request(
        started=started,
        first=first,
        gaps=tuple(gaps),
        total=first + sum(gaps) + rest,
        output_tokens=len(gaps) + 1 + extra,
    ),
    times,
    times,
    st.lists(times, max_size=8),
    times,
    st.integers(min_value=0, max_value=8),
)


@given(st.lists(requests, min_size=1, max_size=8), times)
def test_a_request_is_not_shorter_than_its_tokens_take(sent: list[Request], seconds: float) -> None:
    metrics = of_stage(stage(*sent, seconds=seconds))
    for request in sent:
        per_token = time_per_output_token(request)
        if per_token is not None:
            assert request.first is not None
            assert request.output_tokens is not None
            spent = request.first + per_token * (request.output_tokens - 1)
            assert spent <= request.total * (1 + 1e-9)
    assert metrics.goodput is None
    assert of_stage(stage(*sent, seconds=seconds), {"total": 1e9}).goodput == metrics.requests_per_second
    assert of_stage(stage(*sent, seconds=seconds), {"total": 0}).goodput == 0
