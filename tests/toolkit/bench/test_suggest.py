"""Capacity from measured stages: by Little's law, within what was measured, and never beyond."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.measurements import benchmark, stage
from toolkit.bench import formats
from toolkit.bench.results import Stage
from toolkit.bench.suggest import per_million, suggest
from toolkit.cost.prices import Price
from toolkit.errors import InputError

MEASURED = benchmark()


def arrivals(rate: float, slower: float = 1.0) -> Stage:
    """An open loop on a server that serves each request as it serves one client."""
    one_by_one = stage(1, slower=slower)
    requests = tuple(
        replace(request, started=number / rate) for number, request in enumerate(one_by_one.requests)
    )
    return replace(one_by_one, requests=requests, seconds=len(requests) / rate, concurrency=None, rate=rate)


def test_the_least_load_with_the_full_throughput_decides() -> None:
    result = suggest(MEASURED, 40, headroom_percent=25)
    # At 16 clients, latencies double and the throughput stays. At 32, they exceed the objectives.
    assert result.point.name == "api, 8 clients"
    assert [bool(point.exceeded) for point in result.curve] == [False, False, False, False, True]
    # Little's law: 8 clients are always in progress.
    assert result.point.concurrency == pytest.approx(8, rel=0.1)
    assert result.concurrent_requests == pytest.approx(8 / 1.25, rel=0.1)


@pytest.mark.parametrize("rate", [0.5, 3, 20, 200])
@pytest.mark.parametrize("headroom", [0, 20, 100])
def test_the_fleet_serves_the_rate_with_its_headroom(rate: float, headroom: float) -> None:
    result = suggest(MEASURED, rate, headroom_percent=headroom)
    needed = rate * (1 + headroom / 100)
    assert result.point.rate * result.instances >= needed * (1 - 1e-6)
    assert result.instances == 1 or result.point.rate * (result.instances - 1) < needed
    assert not result.point.exceeded
    # The target leaves the headroom, so that the fleet grows before the objectives are exceeded.
    assert result.concurrent_requests <= result.point.concurrency / (1 + headroom / 100) + 0.05


def test_figures_are_by_instance() -> None:
    one = suggest(MEASURED, 40)
    two = suggest(benchmark(subject={"instances": 2}), 40)
    assert two.point.rate == pytest.approx(one.point.rate / 2)
    assert two.point.concurrency == pytest.approx(one.point.concurrency / 2)
    assert two.instances == pytest.approx(one.instances * 2, abs=1)


def test_what_was_not_measured_is_named() -> None:
    reached = suggest(MEASURED, 5)
    assert not any("may serve more" in note for note in reached.notes)
    open_ended = suggest(benchmark((1, 2, 4)), 5)
    assert any("may serve more; find its limit with `--concurrency 8`" in note for note in open_ended.notes)
    saturated = suggest(benchmark((1, 8, 16)), 5)
    assert not any("limit" in note for note in saturated.notes)
    gap = suggest(benchmark((1, 64)), 5)
    assert gap.point.name == "api, 1 client"
    assert any("the limit is between api, 1 client and api, 64 clients" in note for note in gap.notes)
    assert any("is an assumption" in note for note in suggest(MEASURED, 500).notes)


def test_objectives_that_no_stage_meets_have_a_remedy() -> None:
    with pytest.raises(
        InputError, match=r"the time to first token is [\d,]+ ms \(p95\), above 250 ms"
    ) as caught:
        suggest(benchmark((32,)), 5)
    assert caught.value.remedy == (
        "measure less load: --concurrency 16; or use a faster instance, or raise the objective"
    )


@pytest.mark.parametrize(
    ("lowest", "remedy"),
    [
        (stage(1), "use a faster instance, or raise the objective"),
        (arrivals(4.0), "measure less load: --rate 2; or use a faster instance, or raise the objective"),
        (arrivals(0.05), "use a faster instance, or raise the objective"),
        (stage(1, errors=0.5), "see the failed requests with `toolkit bench show`"),
        (
            stage(32, errors=0.5),
            "measure less load: --concurrency 16; or see the failed requests with `toolkit bench show`",
        ),
    ],
)
def test_the_remedy_is_less_load_only_if_there_is_less(lowest: Stage, remedy: str) -> None:
    with pytest.raises(InputError, match="at the lowest measured load") as caught:
        suggest(replace(MEASURED, stages=(lowest,)), 5, objectives={"total": 0.01})
    assert caught.value.remedy == remedy


def test_further_loads_are_of_the_same_kind() -> None:
    open_ended = suggest(replace(MEASURED, stages=(arrivals(1.0),)), 5)
    assert any("find its limit with `--rate 2`" in note for note in open_ended.notes)
    gap = suggest(replace(MEASURED, stages=(arrivals(1.0), arrivals(8.0, slower=3.0))), 5)
    assert any("find it with `--rate 4.5`" in note for note in gap.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {}}, "had no objectives"),
        ({"stages": ()}, "nothing was measured at the runtime"),
        ({"subject": replace(MEASURED.subject, instances=0)}, "a serverless endpoint has no instances"),
        ({"subject": replace(MEASURED.subject, instance_type="a: x, b: y")}, "different instance types"),
        ({"stages": (stage(4, requests=5),)}, "no stage has 20 requests"),
    ],
)
def test_a_benchmark_that_does_not_answer_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        suggest(replace(MEASURED, **changes), 5)


def test_refused_requests_exceed_the_capacity() -> None:
    stages = (stage(4), stage(8), stage(16, errors=0.1))
    result = suggest(replace(MEASURED, stages=stages), 5)
    assert result.point.name == "api, 8 clients"
    assert "% of requests failed, above 1 %" in result.curve[-1].exceeded[0]


def test_the_objectives_of_the_file_decide() -> None:
    strict = {"time_to_first_token": 0.14, "error_rate": 0.05, "percentile": 90}
    assert suggest(MEASURED, 5, objectives=strict).point.name == "api, 8 clients"


def test_latencies_at_the_api_decide_if_they_were_measured() -> None:
    runtime = tuple(stage(number, target="runtime") for number in (1, 4, 8, 16))
    assert suggest(replace(MEASURED, stages=runtime), 5).target == "runtime"
    both = replace(MEASURED, stages=(*runtime, *MEASURED.stages))
    assert suggest(both, 5).target == "api"
    assert suggest(both, 5, target="runtime").point.name.startswith("runtime")


def test_a_price_is_only_known_if_it_is_given() -> None:
    assert suggest(MEASURED, 10).dollars_per_million is None
    priced = suggest(MEASURED, 10, cost_per_hour=1.2)
    # 10 requests/s of 32 tokens on so many instances.
    assert priced.dollars_per_million == pytest.approx(1.2 * priced.instances / (320 * 3600) * 1e6, rel=0.01)
    text = formats.suggestion(priced, Price(1.2, "Price List", "2026-12-01"))
    assert "at 1.2 dollars per instance and hour (Price List, 2026-12-01)" in text
    assert "dollars" not in formats.suggestion(suggest(MEASURED, 10), None)
    assert per_million(1, None) is None
