"""Results of benchmarks as a load generator measures them: a server whose latency grows with its load."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from toolkit.bench.results import Benchmark, Generator, Request, Stage, Subject, Target

SUBJECT = Subject(
    weights="sha256:0123456789abcdef",
    image="763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.36.0-lmi23.0.0-cu130-v1.0",
    options="sha256:6af245e8974a2426",
    instance_type="ml.g6.2xlarge",
    instances=1,
    gateway="sha256:Dc4c2PHIURFI7oYz3Ej9aYzAyLSh/S3DsO7y4YiXDsE=",
    release=7,
)
WORKLOAD = {"input_tokens": "512", "output_tokens": "32"}
TOKENS = 32


def stage(  # noqa: PLR0917 - as in a table
    concurrency: int,
    requests: int = 200,
    seed: int = 0,
    slower: float = 1.0,
    target: Target = "api",
    errors: float = 0.0,
) -> Stage:
    """A closed loop on a server that works on eight requests at full speed, and slows down with more.

    Args:
        concurrency: number of clients.
        requests: number of requests.
        seed: of the noise.
        slower: factor of all times.
        target: where it was measured.
        errors: share of failed requests.
    """
    noise = random.Random(f"{seed} {concurrency} {target}")  # noqa: S311
    load = max(1.0, concurrency / 8) * slower
    clients = [0.0] * concurrency
    measured = []
    for _ in range(requests):
        client = clients.index(min(clients))
        first = 0.08 * load * noise.lognormvariate(0, 0.25)
        gaps = tuple(0.02 * load * noise.lognormvariate(0, 0.1) for _ in range(TOKENS - 1))
        total = first + sum(gaps) + 0.001
        request = Request(
            started=clients[client],
            total=total,
            first=first,
            gaps=gaps,
            input_tokens=512,
            output_tokens=TOKENS,
            server={"model": total * 0.9},
        )
        if noise.random() < errors:
            request = Request(started=clients[client], total=0.01, error="HTTP 429 rate_limit_exceeded")
        clients[client] += request.total
        measured.append(request)
    measured.sort(key=lambda request: request.started)
    return Stage(target, seconds=max(clients), requests=tuple(measured), concurrency=concurrency)


def benchmark(
    concurrencies: Sequence[int] = (1, 4, 8, 16, 32),
    *,
    seed: int = 0,
    slower: float = 1.0,
    requests: int = 200,
    subject: dict[str, Any] | None = None,
    **members: Any,
) -> Benchmark:
    """A benchmark of the model `qwen3` in the environment `dev`; see `stage`.

    Args:
        concurrencies: of its stages.
        seed: of the noise.
        slower: factor of all times.
        requests: number of requests of each stage.
        subject: members of the subject that differ from `SUBJECT`.
        members: members of the benchmark.
    """
    standard = Benchmark(
        environment="dev",
        model="qwen3",
        started="2026-11-30T10:15:00+00:00",
        toolkit="0.1.0",
        subject=replace(SUBJECT, **subject or {}),
        workload=WORKLOAD,
        objectives={"time_to_first_token": 0.25, "total": 2.0},
        generator=Generator(requests_per_second=900.0, seconds_per_request=0.001),
        stages=tuple(stage(number, requests, seed, slower) for number in concurrencies),
    )
    return replace(standard, **members)
