"""Benchmarks as text, JSON and Markdown."""

from __future__ import annotations

import json
from typing import Any

from toolkit.bench import text
from toolkit.bench.results import Benchmark, Generator, Request, Stage, Subject

GOOD = Request(started=0.0, first=0.1, gaps=(0.02, 0.02), total=0.2, input_tokens=10, output_tokens=3)
SUBJECT = Subject("sha256:1", "image:1", "sha256:2", "ml.g6.xlarge", 1, "sha256:3", 4)


def benchmark(*stages: Stage, **members: Any) -> Benchmark:
    return Benchmark(
        **{
            "environment": "dev",
            "model": "chat",
            "started": "2026-11-30T12:00:00+00:00",
            "toolkit": "0.1.0",
            "subject": SUBJECT,
            "workload": {"input_tokens": "10", "distinct_prompts": 0},
            "objectives": {},
            "generator": Generator(1000.0, 0.001),
            "stages": stages,
            **members,
        }
    )


def stage(*requests: Request, **members: Any) -> Stage:
    return Stage(**{"target": "api", "seconds": 1.0, "requests": requests, "concurrency": 4, **members})


def test_a_stage_is_a_row() -> None:
    head, row = text.table(benchmark(stage(GOOD, GOOD))).splitlines()
    assert row.split("  ")[0] == "api"
    for cell in (
        "4 clients",
        "100 ms / 100 ms",
        "20.0 ms / 20.0 ms",
        "200 ms / 200 ms",
        "6.00",
        "50.0",
        "2.00",
    ):
        assert cell in row
    assert "goodput" not in head


def test_goodput_is_a_column_with_objectives() -> None:
    head, row = text.table(benchmark(stage(GOOD), objectives={"total": 0.1})).splitlines()
    assert head.endswith("goodput/s")
    assert row.endswith(" 0.00")


def test_a_stage_without_a_successful_request() -> None:
    failed = Request(started=0.0, total=0.1, error="HTTP 502")
    report = "\n".join(text.lines(benchmark(stage(failed))))
    assert "note: api, 4 clients: 1 request failed: HTTP 502" in report


def test_notes_tell_what_the_figures_do_not() -> None:
    bundled = Request(started=0.0, first=0.1, gaps=(0.1,), total=0.2, output_tokens=8)
    uncounted = Request(started=0.0, first=0.1, gaps=(0.1,), total=0.2)
    late = Request(started=0.0, first=0.1, gaps=(0.1,), total=0.2, output_tokens=2, delay=0.1)
    notes = text.notes(
        benchmark(
            stage(bundled),
            stage(uncounted, concurrency=None, rate=0.5),
            stage(late),
            stage(GOOD, stopped="interrupted"),
            stage(GOOD),
        )
    )
    assert [note.partition(": ")[2][:40] for note in notes] == [
        "the server counts 4.0 tokens for each pa",
        "the server reports no token counts, so t",
        "the load generator sent requests up to 1",
        "stopped early: interrupted",
    ]
    assert notes[1].startswith("api, 0.5 requests/s: ")


def test_json_has_the_metrics_without_the_requests() -> None:
    document = json.loads(text.as_json(benchmark(stage(GOOD), objectives={"total": 1.0})))
    (measured,) = document["stages"]
    assert measured["requests"] == 1
    assert measured["goodput"] == 1.0
    assert measured["time_to_first_token"]["p99"] == 0.1
    assert document["subject"]["release"] == 4
