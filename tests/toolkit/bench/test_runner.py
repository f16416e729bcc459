"""Rates beyond the load generator's limit, and the objectives of a model."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.toolkit.bench.conftest import Prompts, Server
from toolkit.bench.generator import Runner, Settings
from toolkit.bench.options import Options
from toolkit.bench.results import Generator
from toolkit.bench.runner import Bench, objectives
from toolkit.bench.workload import Lengths
from toolkit.environment.expectations import Objectives
from toolkit.errors import InputError, PreflightError, ToolkitError


@pytest.mark.parametrize(("rate", "is_refused"), [(79.0, False), (81.0, True)])
def test_rates_near_the_limit_of_the_load_generator(rate: float, is_refused: bool) -> None:
    bench = cast("Any", SimpleNamespace(options=Options(rates=(1.0, rate))))
    if not is_refused:
        Bench._check_rates(bench, Generator(100.0, 0.001))
        return
    with pytest.raises(PreflightError, match="cannot send 81 requests per second: this machine sends 80"):
        Bench._check_rates(bench, Generator(100.0, 0.001))


@pytest.mark.parametrize(
    ("body", "kind", "message", "remedy"),
    [
        (
            {"error": {"message": "too long", "code": "context_length_exceeded"}},
            InputError,
            "cannot measure chat: a prompt of --input-tokens 9000 exceeds its context",
            "lower --input-tokens",
        ),
        # As the SageMaker runtime reports an error of vLLM.
        (
            {"Message": "Received client error (400): This model's maximum context length is 4096 tokens."},
            InputError,
            "cannot measure chat: a prompt of --input-tokens 9000 exceeds its context",
            "lower --input-tokens",
        ),
        (
            {"error": {"message": "too long", "code": "model_error"}},
            PreflightError,
            "HTTP 400 model_error: too long",
            "run `toolkit smoke-test",
        ),
    ],
)
def test_the_remedy_fits_the_code_of_the_error(
    server: Server, body: dict[str, Any], kind: type[ToolkitError], message: str, remedy: str
) -> None:
    server.refuse(400, body)
    environment = SimpleNamespace(name="dev")
    options = Options(input_tokens=Lengths("9000", 9000))
    bench: Any = SimpleNamespace(
        _name="chat", options=options, context=SimpleNamespace(environment=environment)
    )

    async def ask() -> None:
        runner = Runner(server.target, Prompts(), Settings())
        try:
            await Bench._ask(bench, runner, "word")
        finally:
            runner.close()

    with pytest.raises(kind, match=message) as caught:
        asyncio.run(ask())
    assert str(caught.value.remedy).startswith(remedy)


def test_objectives_are_in_seconds_and_shares() -> None:
    limits = Objectives(first_token_ms=500, inter_token_ms=50, total_ms=4000, error_percent=1)
    model = cast("Any", SimpleNamespace(objectives=limits))
    assert objectives(model) == {
        "time_to_first_token": 0.5,
        "inter_token_latency": 0.05,
        "total": 4.0,
        "error_rate": 0.01,
        "percentile": 95.0,
    }
    assert objectives(cast("Any", SimpleNamespace(objectives=None))) == {}
    assert objectives(None) == {}


def test_by_default_a_stage_has_ten_requests_per_client() -> None:
    loads = Options(concurrency=(1, 8), rates=(2.0,)).loads
    assert [(load.requests, load.warmup) for load in loads] == [(50, 1), (80, 8), (50, 1)]
    assert [load.requests for load in Options(concurrency=(8,), seconds=60).loads] == [None]
    assert [load.requests for load in Options(concurrency=(8,), seconds=60, requests=5).loads] == [5]
