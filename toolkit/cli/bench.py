"""`toolkit bench`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from toolkit.cli import bench_records
from toolkit.cli.default_command import DefaultCommand
from toolkit.cli.options import Env, HtmlFile, Json, Markdown, Yes, check_reports, write_report
from toolkit.durations import parse_seconds

if TYPE_CHECKING:
    from toolkit.bench.options import Options
    from toolkit.bench.results import Benchmark
    from toolkit.console import Console

_RUN = "run"
_SWEEP = (1, 2, 4, 8)
_MOST_CLIENTS = 1000
_MOST_PER_SECOND = 10_000


_HELP = """Measure the latency and the throughput of a model.

`run` is the default command. Show its options for load and prompts with `toolkit bench run --help`.

toolkit bench --env dev --concurrency 1,2,4,8

toolkit bench --env dev --rate 0.5,1,2 --duration 5m --html report.html
"""


class _Bench(DefaultCommand):
    default_name = _RUN


app = typer.Typer(
    cls=_Bench,
    help=_HELP,
    no_args_is_help=True,
)
app.command("list")(bench_records.list_)
app.command("show")(bench_records.show)
app.command("compare")(bench_records.compare)
app.command("suggest")(bench_records.suggest)


def _seconds(option: str) -> Callable[[str | int], int]:
    def parse(text: str | int) -> int:
        return parse_seconds(str(text), option, unit_required=False)

    return parse


Model = Annotated[
    str | None,
    typer.Option("--model", "-m", metavar="MODEL", help="Model or alias; default: the only one that chats."),
]
Concurrency = Annotated[
    str | None,
    typer.Option(
        "--concurrency",
        "-c",
        metavar="N,…",
        help="Clients that each wait for their response, one stage per number; default: 1,2,4,8.",
    ),
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--rate", metavar="N,…", help="Requests per second at random times, one stage per number: 0.5,1,2."
    ),
]
Requests = Annotated[
    int | None,
    typer.Option(
        "--requests",
        metavar="N",
        min=1,
        help="Requests per stage; default: 10 per client, at least 50. To compare 95th percentiles: 400.",
    ),
]
Duration = Annotated[
    int | None,
    typer.Option(
        "--duration",
        parser=_seconds("--duration"),
        metavar="TIME",
        help="Start no request of a stage after this time: 60s, 5m.",
    ),
]
Warmup = Annotated[
    int | None,
    typer.Option(
        "--warmup",
        metavar="N",
        min=0,
        help="Requests before each stage that do not count; default: 1 per client.",
    ),
]
InputTokens = Annotated[
    str,
    typer.Option(
        "--input-tokens",
        metavar="LENGTH",
        help="Length of prompts: 256, 100-1000 (uniform), 256:64 (mean and standard deviation).",
    ),
]
OutputTokens = Annotated[
    str, typer.Option("--output-tokens", metavar="LENGTH", help="Length of responses, likewise.")
]
NaturalEnd = Annotated[
    bool, typer.Option("--natural-end", help="Let the model end its response before that length.")
]
Dataset = Annotated[
    Path | None,
    typer.Option(
        "--dataset",
        metavar="FILE",
        help="Prompts from JSON Lines with prompt, messages or ShareGPT's conversations.",
    ),
]
Turns = Annotated[
    int,
    typer.Option(
        "--turns", metavar="N", min=1, help="Prompts of a conversation, each sent with those before it."
    ),
]
SharedPrefix = Annotated[
    int,
    typer.Option(
        "--shared-prefix-tokens",
        metavar="N",
        min=0,
        help="Tokens at the start of all prompts that are the same, for the engine's prefix cache.",
    ),
]
DistinctPrompts = Annotated[
    int,
    typer.Option(
        "--distinct-prompts", metavar="N", min=0, help="Repeat this many prompts; default: none repeats."
    ),
]
Target = Annotated[
    Literal["api", "runtime", "both"],
    typer.Option("--target", help="Measure at the API, at the SageMaker runtime, or at both in turn."),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of words, lengths and arrival times.")]
Timeout = Annotated[
    int,
    typer.Option(
        "--timeout", parser=_seconds("--timeout"), metavar="TIME", help="Time limit of a request: 90s, 10m."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Also write the result with all requests as JSON."),
]
NoSave = Annotated[bool, typer.Option("--no-save", help="Do not store the result in the state bucket.")]
Suggest = Annotated[
    float | None,
    typer.Option(
        "--suggest",
        metavar="N",
        min=0.001,
        help="Then suggest the capacity for N requests per second, as `toolkit bench suggest` does.",
    ),
]


@app.command(_RUN)
def run(
    env: Env,
    model: Model = None,
    concurrency: Concurrency = None,
    rate: Rate = None,
    requests: Requests = None,
    duration: Duration = None,
    warmup: Warmup = None,
    input_tokens: InputTokens = "256",
    output_tokens: OutputTokens = "128",
    natural_end: NaturalEnd = False,
    dataset: Dataset = None,
    turns: Turns = 1,
    shared_prefix_tokens: SharedPrefix = 0,
    distinct_prompts: DistinctPrompts = 0,
    target: Target = "api",
    seed: Seed = 0,
    timeout: Timeout = 300,
    yes: Yes = False,
    as_json: Json = False,
    as_markdown: Markdown = False,
    html: HtmlFile = None,
    output: Output = None,
    no_save: NoSave = False,
    suggest: Suggest = None,
) -> None:
    """Send requests under load, and measure time to first token, time per token and throughput.

    Requests cost what the model's instances cost, and count against the budget and the quota of the key.

    --concurrency and --rate can be combined. Failed requests are part of the report: the exit code is 0.
    """
    from toolkit.bench.options import Options
    from toolkit.bench.workload import Lengths
    from toolkit.errors import InputError
    from toolkit.os_errors import prepare_output

    check_reports(as_json, as_markdown, {"--html": html})
    if suggest is not None and (as_json or as_markdown or html == "-"):
        raise InputError(
            "--suggest prints text", remedy="run `toolkit bench suggest` afterwards, which has --json"
        )
    if output is not None:
        prepare_output(output, "write the result")
    closed = _clients(concurrency) if concurrency is not None else () if rate is not None else _SWEEP
    options = Options(
        model=model,
        concurrency=tuple(closed),
        rates=tuple(_numbers(rate, "--rate", _MOST_PER_SECOND)) if rate is not None else (),
        requests=requests,
        seconds=duration,
        warmup=warmup,
        input_tokens=Lengths.parse(input_tokens, "--input-tokens"),
        output_tokens=Lengths.parse(output_tokens, "--output-tokens"),
        dataset=dataset,
        turns=turns,
        shared_prefix_tokens=shared_prefix_tokens,
        distinct_prompts=distinct_prompts,
        natural_end=natural_end,
        targets=("api", "runtime") if target == "both" else (target,),
        seed=seed,
        timeout=timeout,
    )
    _check(options)
    form = "json" if as_json else "markdown" if as_markdown else "" if html == "-" else "text"
    _run(env, options, yes, form, html, output, save=not no_save, suggest=suggest)


def _run(
    env: str,
    options: Options,
    yes: bool,
    form: str,
    html: str | None,
    output: Path | None,
    *,
    save: bool,
    suggest: float | None,
) -> None:
    from contextlib import ExitStack

    from toolkit.bench import records
    from toolkit.bench.display import TerminalDisplay
    from toolkit.bench.results import INTERRUPTED
    from toolkit.bench.runner import Bench
    from toolkit.chat.session import open_session
    from toolkit.console import Console
    from toolkit.deployment import outputs
    from toolkit.deployment.context import open_context
    from toolkit.deployment.plans import approval
    from toolkit.errors import InterruptedByUserError

    console = Console()
    context = open_context(env, console)
    question = f"{env} is protected. Send these requests?"
    ask = partial(approval.confirm, console, question, yes=yes) if context.environment.protected else None
    deployed = outputs.read(context)
    with open_session(context, deployed, "measure") as session:
        display = TerminalDisplay(console, ask)
        bench = Bench(context, deployed, session, options, display)
        try:
            benchmark = bench.run()
        finally:
            display.close()
    id_: str | None = None

    def store() -> None:
        nonlocal id_
        id_ = records.save_complete(context, deployed, benchmark)

    # Each of them even if another one fails, for example because a disk is full; the last one first.
    with ExitStack() as results:
        if html is not None:
            results.callback(_write_page, console, html, benchmark)
        if save:
            results.callback(store)
        results.callback(_print, console, benchmark, form)
        if output is not None:
            results.callback(records.write_file, output, benchmark)
    if bench.failure is not None:
        raise bench.failure
    if suggest is not None:
        name = id_ or (str(output) if output is not None else "not stored")
        bench_records.suggest_from(context, name, benchmark, rate=suggest)
    if any(stage.stopped == INTERRUPTED for stage in benchmark.stages):
        raise InterruptedByUserError("interrupted; the report has what was measured until then")


def _write_page(console: Console, file: str, benchmark: Benchmark) -> None:
    from toolkit.report import bench as report

    write_report(console, file, report.html(benchmark))


def _print(console: Console, benchmark: Benchmark, form: str) -> None:
    from toolkit.bench import text
    from toolkit.report import bench as report

    if form == "json":
        console.data(text.as_json(benchmark))
    elif form == "markdown":
        console.data(report.markdown(benchmark))
    elif form == "text":
        for line in text.lines(benchmark):
            console.data(line)


def _check(options: Options) -> None:
    """Refuse options that do not fit each other.

    Raises:
        InputError: they do not.
    """
    from toolkit.errors import InputError

    if options.turns > 1 and options.rates:
        raise InputError("--turns needs a closed loop", remedy="use --concurrency instead of --rate")
    if options.dataset is not None and (options.shared_prefix_tokens or options.distinct_prompts):
        raise InputError(
            "--shared-prefix-tokens and --distinct-prompts are for synthetic prompts",
            remedy="remove --dataset",
        )
    if options.shared_prefix_tokens > options.input_tokens.low:
        raise InputError(
            "--shared-prefix-tokens is more than --input-tokens",
            remedy="raise --input-tokens",
        )


def _numbers(text: str, option: str, most: int) -> list[float]:
    """Positive numbers, separated by commas.

    Raises:
        InputError: one is not.
    """
    from toolkit.errors import InputError

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 < number <= most for number in numbers):
        raise InputError(
            f"{option}: {text!r} is not a list of numbers from above 0 to {most}",
            remedy=f"separate them with commas, as in {option} 1,2,4",
        )
    return numbers


def _clients(text: str) -> list[int]:
    from toolkit.errors import InputError

    numbers = _numbers(text, "--concurrency", _MOST_CLIENTS)
    if not all(number.is_integer() for number in numbers):
        raise InputError(f"--concurrency: {text!r} has a fraction of a client", remedy="use whole numbers")
    return [int(number) for number in numbers]
