"""A benchmark as a comment, and its page without the library for plots."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.benchmarks import benchmark
from toolkit.bench import records
from toolkit.bench.results import Request, Stage
from toolkit.cli import bench_records
from toolkit.errors import InputError
from toolkit.report import bench, units


def test_a_comment_shows_numbers_with_units() -> None:
    comment = bench.markdown(benchmark())
    lines = comment.splitlines()
    assert lines[0] == "<!-- toolkit bench: dev qwen3-8b -->"
    assert lines[1] == "### Benchmark of `qwen3-8b` in `dev`: interrupted: 1 of 240 requests failed (0.417 %)"
    assert "| API | 1 client | 20 | 0 | 5.52 s | 3.62/s | 58.0/s | 3.62/s |" in lines
    assert "- runtime, 32 clients: stopped early: interrupted" in lines
    assert "| runtime | 32 clients | HTTP 503 overloaded | 1 |" in lines
    assert "| instance type | ml.g6.2xlarge |" in lines
    assert "| objective: time to first token | 500 ms |" in lines


def test_objectives_have_their_units() -> None:
    comment = bench.markdown(replace(benchmark(), objectives={"error_rate": 0.01, "percentile": 99.0}))
    assert "| objective: errors | 1.00 % |" in comment
    assert "| objective: percentile | 99 |" in comment


@pytest.mark.parametrize(
    ("stopped", "error", "verdict"),
    [
        (None, None, 'good">.*20 requests, no errors'),
        ("interrupted", None, 'warn">.*interrupted: 20 requests, no errors'),
        ("interrupted", "HTTP 500", 'bad">.*interrupted: 1 of 20 requests failed'),
        ("overload: 9 requests wait", None, 'warn">.*1 stage stopped early: 20 requests, no errors'),
    ],
)
def test_a_benchmark_that_ended_early_is_no_success(
    stopped: str | None, error: str | None, verdict: str
) -> None:
    result = benchmark(targets=["api"], loads=[1], error=error)
    page = bench.html(replace(result, stages=(replace(result.stages[0], stopped=stopped),)))
    assert re.search(rf'<p class="verdict {verdict}', page)


def test_a_comment_fits_the_limit_of_github() -> None:
    result = benchmark(loads=range(1, 40), error="x" * 70_000)
    comment = bench.markdown(replace(result, stages=result.stages * 20))
    assert len(comment.encode()) <= 65_536
    assert "lines omitted" in comment
    assert comment.count("<details") == comment.count("</details>")


def test_without_objectives_there_is_no_goodput() -> None:
    assert "goodput" in bench.markdown(benchmark())
    assert "goodput" not in bench.markdown(replace(benchmark(), objectives={}))


def test_a_benchmark_without_requests_is_reported() -> None:
    empty = replace(benchmark(), stages=())
    assert "no requests" in bench.markdown(empty)
    assert "<figure>" not in bench.html(empty)


def test_without_the_library_for_plots_a_page_has_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    page = bench.html(benchmark())
    assert "<svg" not in page
    assert page.count("vl-convert-python") == page.count("<details open>") == 6


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "—"),
        (0, "0.00 ms"),
        (0.0000123, "0.0123 ms"),
        (0.0123, "12.3 ms"),
        (0.9994, "999 ms"),
        (0.99951, "1.00 s"),
        (9.996, "10.0 s"),
        (1234.5, "1,234 s"),
    ],
)
def test_durations_have_three_significant_digits(seconds: float | None, shown: str) -> None:
    assert units.seconds(seconds) == shown


def test_the_time_by_hop_adds_up_to_the_end_to_end_latency() -> None:
    server = {"gateway": 0.01, "model": 0.2}
    request = Request(0.0, total=1.0, first=0.25, gaps=(0.75,), output_tokens=2, server=server)
    stage = Stage("api", 1.0, (request,), concurrency=1)
    page = bench.html(replace(benchmark(), stages=(stage,)))
    row = re.search(r"by hop.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    assert row is not None
    assert re.findall(r">([\d.]+ \w?s)<", row[1]) == ["10.0 ms", "200 ms", "40.0 ms", "750 ms"]


def test_results_in_files_are_shown_and_compared_as_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, result in (("a", benchmark()), ("b", benchmark(loads=(1, 2)))):
        (tmp_path / f"{name}.json").write_bytes(records.dumps(result))
    a, b, page = (str(tmp_path / name) for name in ("a.json", "b.json", "reports/page.html"))
    bench_records.show(a, html=page)
    assert "Benchmark of qwen3-8b" in Path(page).read_text()
    assert "first token" in capsys.readouterr().out
    bench_records.compare(a, b, html="-")
    printed = capsys.readouterr().out
    assert printed.startswith("<!doctype html>")
    assert "All metrics" in printed
    with pytest.raises(InputError, match="cannot print --json and --html - at once"):
        bench_records.show(a, as_json=True, html="-")
