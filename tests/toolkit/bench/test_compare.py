"""Two benchmarks: their difference in words, and only real differences of metrics."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.support.measurements import WORKLOAD, benchmark
from toolkit.bench import comparison_plots, formats
from toolkit.bench.compare import compare, raise_for_regressions
from toolkit.bench.metrics import of_stage
from toolkit.bench.results import Benchmark
from toolkit.cost.prices import Price
from toolkit.errors import InputError, RegressionError

NAMES = ("time to first token", "time per output token", "end-to-end latency")
ENOUGH = benchmark((1,), requests=500)
BEFORE = benchmark((4, 16), seed=1, requests=300)
SLOWER = benchmark((4, 16), seed=2, requests=300, slower=1.15)


def test_runs_of_the_same_deployment_do_not_differ() -> None:
    result = compare(BEFORE, benchmark((4, 16), seed=2, requests=300))
    assert not result.subject
    assert {row.verdict for row in result.rows} <= {"no significant difference", "too few requests"}
    raise_for_regressions(result, 0)


def test_a_slower_deployment_is_worse_in_all_metrics() -> None:
    result = compare(BEFORE, SLOWER)
    verdicts = {(row.load, row.metric): row.verdict for row in result.rows}
    for load in ("4 clients", "16 clients"):
        for metric in ("time per output token, p50", "end-to-end latency, p50", "output tokens per second"):
            assert verdicts[load, metric] == "worse"
        assert verdicts[load, "errors"] == "no significant difference"
    (row,) = [
        row for row in result.rows if (row.load, row.metric) == ("4 clients", "end-to-end latency, p50")
    ]
    assert row.percent == pytest.approx(15, abs=2)
    assert row.low is not None
    assert row.high is not None
    assert row.low < row.after - row.before < row.high
    assert {row.verdict for row in compare(SLOWER, BEFORE).rows} >= {"better"}
    assert "worse" not in {row.verdict for row in compare(SLOWER, BEFORE).rows}


def test_rates_are_those_of_the_whole_stage() -> None:
    rows = {row.metric: row for row in compare(BEFORE, SLOWER).rows if row.load == "4 clients"}
    for name, attribute in (
        ("output tokens per second", "output_tokens_per_second"),
        ("requests per second", "requests_per_second"),
    ):
        figures = [getattr(of_stage(result.stages[0]), attribute) for result in (BEFORE, SLOWER)]
        assert [rows[name].before, rows[name].after] == pytest.approx(figures)


def test_a_regression_has_its_exit_code() -> None:
    result = compare(BEFORE, SLOWER)
    with pytest.raises(RegressionError, match="metrics are worse by at least 5 %") as caught:
        raise_for_regressions(result, 5)
    assert caught.value.exit_code == 7
    assert "api, 4 clients: end-to-end latency, p50" in caught.value.details
    raise_for_regressions(result, 50)


def test_metrics_with_too_few_requests_are_no_success() -> None:
    result = compare(benchmark((1,), seed=1, requests=50), benchmark((1,), seed=2, requests=50))
    uncompared = [row.metric for row in result.rows if row.verdict == "too few requests"]
    assert uncompared == [f"{name}, p95" for name in NAMES]
    note = "3 of 9 metrics were not compared: too few requests; measure both with --requests 400"
    assert result.notes == [note]
    assert f"note: {note}" in formats.comparison(result)
    comment = formats.comparison_markdown(result)
    assert "### Benchmark: 0 worse, 0 better, 3 not compared, of 9 metrics" in comment
    page = formats.comparison_html(result)
    assert re.search(r'<p class="verdict warn">.*3 not compared', page)
    assert note in page
    assert 'class="verdict good"' in formats.comparison_html(compare(ENOUGH, ENOUGH))
    raise_for_regressions(result, 0)


def test_requests_that_resemble_each_other_need_more() -> None:
    stage = ENOUGH.stages[0]
    requests = tuple(
        replace(request, first=0.1 + index / 5000) for index, request in enumerate(stage.requests)
    )
    drifting = replace(ENOUGH, stages=(replace(stage, requests=requests),))
    needed = {row.metric: row.requests_needed for row in compare(drifting, drifting).rows}
    assert needed["time to first token, p95"] == 1000
    assert needed["end-to-end latency, p50"] is None


def test_a_gate_without_a_comparison_fails() -> None:
    stage = replace(benchmark((1,), requests=15).stages[0], concurrency=None, rate=2.0)
    few = replace(BEFORE, stages=(stage,))
    with pytest.raises(InputError, match="too few requests for every latency") as caught:
        raise_for_regressions(compare(few, few), 5)
    assert caught.value.remedy == "measure both with --requests 400"
    assert caught.value.exit_code == 2
    # A closed loop that is slower has fewer requests per second.
    closed = benchmark((1,), requests=15)
    raise_for_regressions(compare(closed, closed), 5)


def test_errors_are_compared_in_points() -> None:
    stages = (
        replace(
            BEFORE.stages[0],
            requests=tuple(
                replace(request, error="HTTP 500") if index % 10 == 0 else request
                for index, request in enumerate(BEFORE.stages[0].requests)
            ),
        ),
    )
    result = compare(BEFORE, replace(BEFORE, stages=stages))
    (row,) = [row for row in result.rows if row.metric == "errors"]
    assert (row.verdict, row.percent) == ("worse", 10)
    assert "+10.00 points" in formats.comparison(result)
    assert result.unmatched == ("api, 16 clients: only in A",)


@pytest.mark.parametrize(
    ("member", "value", "phrase"),
    [
        ("weights", "sha256:fedcba", "weights: sha256:0123456789abcdef → sha256:fedcba"),
        ("image", "i:2", r"container image: .* → i:2"),
        ("options", "sha256:1", "engine options: sha256:6af245e8974a2426 → sha256:1"),
        ("instance_type", "ml.g6.4xlarge", "instance type: ml.g6.2xlarge → ml.g6.4xlarge"),
        ("instances", 2, "number of instances: 1 → 2"),
        ("gateway", "sha256:2", r"gateway code: sha256:.* → sha256:2"),
        ("release", 8, "release: 7 → 8"),
    ],
)
def test_what_differs_in_the_deployment_is_named(member: str, value: Any, phrase: str) -> None:
    result = compare(BEFORE, replace(BEFORE, subject=replace(BEFORE.subject, **{member: value})))
    (difference,) = result.subject
    assert re.fullmatch(phrase, difference)
    assert result.comparable


def other(**members: Any) -> Benchmark:
    return replace(SLOWER, **members)


def test_different_workloads_are_not_compared() -> None:
    result = compare(BEFORE, other(workload={**WORKLOAD, "output_tokens": "64", "turns": 3}))
    assert not result.rows
    assert result.workload == ("output_tokens: 32 → 64", "turns: unset → 3")
    assert "not comparable: the workloads differ" in formats.comparison(result)
    assert "not comparable" in formats.comparison_markdown(result)
    with pytest.raises(InputError, match="the workloads differ"):
        raise_for_regressions(result, 5)


def test_stages_without_a_counterpart_are_named() -> None:
    result = compare(BEFORE, benchmark((8,)))
    assert not result.rows
    assert "no stage has the same target and load" in formats.comparison(result)
    with pytest.raises(InputError, match="no stage has the same target and load"):
        raise_for_regressions(result, 5)


def test_formats() -> None:
    result = compare(BEFORE, SLOWER, ("one", "two"))
    text = formats.comparison(result)
    assert re.search(
        r"api +4? *4 clients +end-to-end latency, p50 +[\d.,]+ ms +[\d.,]+ ms +\+1\d\.\d %", text
    )
    data = json.loads(json.dumps(result.as_data()))
    assert (data["before"], data["after"], data["comparable"]) == ("one", "two", True)
    assert {"metric", "before", "after", "low", "high", "p", "percent", "verdict"} <= set(data["metrics"][0])
    markdown = formats.comparison_markdown(result)
    assert markdown.startswith("<!-- toolkit bench compare -->\n### Benchmark: ")
    assert "❌ | api | 4 clients" in markdown


def test_no_difference_has_no_sign() -> None:
    row = replace(compare(BEFORE, BEFORE).rows[0], before=2.0, after=2.0 - 1e-9, low=-1e-9, high=1e-9)
    table = formats.comparison(replace(compare(BEFORE, BEFORE), rows=(row,)))
    assert "+0.0 %" in table
    assert "-0" not in table


def test_a_comment_fits_the_limit_of_github() -> None:
    result = compare(BEFORE, SLOWER)
    comment = formats.comparison_markdown(replace(result, rows=result.rows * 40, unmatched=("x" * 999,) * 99))
    assert len(comment.encode()) <= 65_536
    assert "lines omitted" in comment
    assert comment.count("<details") == comment.count("</details>") == 3


def test_hostile_content_controls_no_terminal() -> None:
    evil = "\x1b]0;owned\x07\n| <script>alert(1)</script> `x`"
    hostile = other(
        workload={**WORKLOAD, evil: evil},
        subject=replace(SLOWER.subject, image=evil),
        environment=evil,
        toolkit=evil,
    )
    result = compare(BEFORE, hostile, ("A", evil))
    for text in (
        formats.comparison(result),
        formats.comparison_markdown(result),
        formats.show(evil, hostile, Price(1.5, "test", "")),
    ):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    markdown = formats.comparison_markdown(result)
    assert not re.search(r"(?<!\\)<script", re.sub(r"`[^`]*`", "", markdown))


def test_a_plot_shows_each_change_with_its_interval() -> None:
    result = compare(BEFORE, SLOWER)
    plots = list(comparison_plots.plots(result))
    assert [plot.title for plot in plots] == ["Changes of api, 4 clients", "Changes of api, 16 clients"]
    assert plots[0].description.startswith("Worse: ")
    points = {point["metric"]: point for point in plots[0].specification["data"]["values"]}
    (row,) = [
        row for row in result.rows if (row.load, row.metric) == ("4 clients", "output tokens per second")
    ]
    point = points["output tokens per second"]
    assert point["low"] < point["change"] == row.percent < point["high"] < 0
    # Shares of errors have another unit.
    assert "errors" not in points
    assert len(plots[0].table.rows) == len(points)
    quiet = comparison_plots.plots(compare(BEFORE, BEFORE))
    assert next(quiet).description.startswith("No metric differs significantly. ")


def test_metrics_that_were_not_compared_are_not_drawn() -> None:
    few = benchmark((1,), requests=3)
    drawn = [row for plot in comparison_plots.plots(compare(few, few)) for row in plot.table.rows]
    compared = [row for row in compare(few, few).rows if row.p is not None and row.unit != "%"]
    assert len(drawn) == len(compared) < len(compare(few, few).rows)
