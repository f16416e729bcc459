"""Benchmarks as text, JSON and Markdown."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from toolkit.bench import text
from toolkit.bench.generator import Load
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


def test_a_backlog_is_named() -> None:
    def arrivals(service: float, count: int = 30) -> Stage:
        """Two requests per second to a server that works on one at a time."""
        free, requests = 0.0, []
        for index in range(count):
            started = index / 2
            free = max(free, started) + service
            requests.append(Request(started=started, first=0.1, total=free - started))
        return stage(*requests, seconds=free, concurrency=None, rate=2.0)

    def backlog(measured: Stage) -> list[str]:
        return [note for note in text.notes(benchmark(measured)) if "keep up" in note]

    (note,) = backlog(arrivals(0.86))
    assert "2 requests/s: the model did not keep up: it served 1.16 requests/s" in note
    assert not backlog(arrivals(0.4))
    # The last response of a short stage ends long after its last arrival.
    slow = Request(started=0.0, first=0.1, total=9.0)
    steady = stage(*(replace(slow, started=index / 2) for index in range(30)), seconds=23.5, rate=2.0)
    assert not backlog(replace(steady, concurrency=None))
    assert not backlog(replace(arrivals(0.86), rate=None, concurrency=2))


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [(1, "the prompt repeats: "), (3, "the 3 prompts repeat: "), (4, None), (0, None)],
)
def test_repeated_prompts_of_a_data_set_are_named(prompts: int, expected: str | None) -> None:
    workload = {"dataset": "x.jsonl", "dataset_prompts": prompts}
    measured = benchmark(stage(GOOD, GOOD), stage(GOOD, GOOD), workload=workload)
    notes = text.notes(measured)
    assert json.loads(text.as_json(measured))["notes"] == notes
    assert [note[: len(expected or "")] for note in notes] == ([expected] if expected else [])
    assert all("prefix cache" in note for note in notes)


def test_a_prompt_beyond_the_context_has_a_remedy() -> None:
    failed = Request(started=0.0, total=0.1, error="HTTP 400 context_length_exceeded")
    (note,) = text.notes(benchmark(stage(failed)))
    assert "lower --input-tokens or --output-tokens" in note


def test_one_request_per_second_is_singular() -> None:
    rates = [1.0, 1.5]
    names = [text.load(stage(GOOD, concurrency=None, rate=rate)) for rate in rates]
    assert names == [Load(rate=rate).name for rate in rates] == ["1 request/s", "1.5 requests/s"]


def test_json_has_the_metrics_without_the_requests() -> None:
    document = json.loads(text.as_json(benchmark(stage(GOOD), objectives={"total": 1.0})))
    (measured,) = document["stages"]
    assert measured["requests"] == 1
    assert measured["goodput"] == 1.0
    assert measured["time_to_first_token"]["p99"] == 0.1
    assert document["subject"]["release"] == 4
