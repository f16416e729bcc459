"""Handmade results of benchmarks."""

from __future__ import annotations

import random
from collections.abc import Sequence

from toolkit.bench.results import Benchmark, Generator, Request, Stage, Subject, Target

SUBJECT = Subject(
    weights=f"sha256:{'ab' * 32}",
    image="763104351884.dkr.ecr.eu-central-1.amazonaws.com/djl-inference:0.33.0-lmi15.0.0-cu128",
    options=f"sha256:{'cd' * 32}",
    instance_type="ml.g6.2xlarge",
    instances=2,
    gateway=f"sha256:{'ef' * 32}",
    release=17,
)


def benchmark(
    model: str = "qwen3-8b",
    *,
    targets: Sequence[Target] = ("api", "runtime"),
    loads: Sequence[int] = (1, 2, 4, 8, 16, 32),
    opened: bool = False,
    error: str | None = "HTTP 503 overloaded",
) -> Benchmark:
    """A benchmark whose latencies grow with the load; some requests at the highest load fail."""
    numbers = random.Random(7)  # noqa: S311 - repeatable
    stages = [_stage(numbers, target, load, opened) for target in targets for load in loads]
    if error is not None:
        last = stages[-1]
        requests = [Request(0.0, 0.1, error=error), *last.requests[1:]]
        stages[-1] = Stage(
            last.target, last.seconds, tuple(requests), last.concurrency, last.rate, "interrupted"
        )
    return Benchmark(
        environment="dev",
        model=model,
        started="2026-11-30T19:00:00Z",
        toolkit="0.1.0",
        subject=SUBJECT,
        workload={"prompt_tokens": 120, "output_tokens": 16, "shared_prefix": False},
        objectives={"time_to_first_token": 0.5, "total": 3.0},
        generator=Generator(2100.0, 0.0004),
        stages=tuple(stages),
    )


def _stage(numbers: random.Random, target: Target, load: int, opened: bool) -> Stage:
    requests = []
    for index in range(20):
        first = (0.08 + 0.004 * load**1.5) * numbers.lognormvariate(0, 0.25)
        gaps = tuple((0.012 + 0.0008 * load) * numbers.lognormvariate(0, 0.1) for _ in range(15))
        total = first + sum(gaps)
        # Only the gateway reports times: until the first token.
        server = {"gateway": 0.003, "model": first * 0.8} if target == "api" else None
        requests.append(Request(index * 0.1, total, first, gaps, 120, 16, server))
    if opened:
        return Stage(target, 20.0 / load, tuple(requests), rate=float(load))
    seconds = sum(request.total for request in requests) / load
    return Stage(target, seconds, tuple(requests), concurrency=load)
