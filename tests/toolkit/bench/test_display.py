"""The progress of a benchmark in a pipe and on a terminal, and what is announced before it."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.toolkit.bench.test_text import GOOD, stage
from toolkit.bench.display import TerminalDisplay
from toolkit.bench.generator import Load, Progress
from toolkit.bench.metrics import of_stage
from toolkit.bench.options import Options
from toolkit.bench.results import Generator
from toolkit.bench.runner import Bench
from toolkit.bench.workload import Lengths
from toolkit.console import Console
from toolkit.deployment.plans import approval
from toolkit.errors import InputError

PROGRESS = Progress(Load(concurrency=4), "api", False, 7, 2, 3, 12.0, 640, 0.25)


def shown(interactive: bool) -> str:
    stderr = io.StringIO()
    display = TerminalDisplay(Console(io.StringIO(), stderr, interactive=interactive))
    display.confirm("chat gets at most 5 requests")
    display.limit(Generator(150.0, 0.0042))
    display.progress(PROGRESS)
    display.stage(stage(GOOD), of_stage(stage(GOOD)))
    display.close()
    return stderr.getvalue()


def test_a_pipe_gets_a_line_for_each_stage() -> None:
    announced, limit, running, complete = shown(interactive=False).splitlines()
    assert announced == "chat gets at most 5 requests"
    assert "150 such requests per second, and adds 4.2 ms" in limit
    assert running == "api, 4 clients: 7 requests, 2 failed, 3 in flight, 12 s"
    assert complete.startswith("api, 4 clients: requests 1, errors 0, first token p50 / p99 100 ms / 100 ms")


def test_a_terminal_gets_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown(interactive=True)
    output = capsys.readouterr().err
    assert "first token p50 / p99" in output
    assert "7 (+3)" in output
    assert "100 ms / 100 ms" in output


def test_a_protected_environment_needs_a_confirmation() -> None:
    console = Console(io.StringIO(), io.StringIO(), interactive=False)
    ask = partial(approval.confirm, console, "prod is protected. Send these requests?", yes=False)
    with pytest.raises(InputError, match="prod is protected") as error:
        TerminalDisplay(console, ask).confirm("chat gets at most 5 requests")
    assert "--yes" in str(error.value)
    TerminalDisplay(console, partial(ask, yes=True)).confirm("chat gets at most 5 requests")


@pytest.mark.parametrize(
    ("options", "announcement"),
    [
        (
            Options(concurrency=(1, 4)),
            "chat gets at most 105 requests at the API, with 256 input tokens and 128 output tokens each: "
            "26,880 input and 13,440 output tokens",
        ),
        (
            Options(rates=(2.0,), requests=9, targets=("api", "runtime"), output_tokens=Lengths("1-3", 1, 3)),
            "chat gets at most 20 requests at the API and the SageMaker runtime, with 256 input tokens and "
            "1 to 3 output tokens each: 5,120 input and 40 output tokens",
        ),
        (
            Options(concurrency=(1,), requests=9, turns=3),
            "chat gets at most 10 requests at the API, with 256 input tokens and 128 output tokens each: "
            "6,400 input and 1,280 output tokens",
        ),
        (
            Options(concurrency=(1, 2), seconds=60, dataset=Path("p.jsonl")),
            "chat gets requests for 120 s at the API, with prompts of p.jsonl and 128 output tokens each",
        ),
    ],
)
def test_the_largest_number_of_requests_and_tokens(options: Options, announcement: str) -> None:
    bench = cast("Any", SimpleNamespace(options=options, _name="chat"))
    assert Bench._announcement(bench) == announcement
