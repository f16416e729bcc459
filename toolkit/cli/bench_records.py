"""`toolkit bench list`, `show`, `compare` and `suggest`: work with stored benchmarks."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.options import Env, HtmlFile, Json, Markdown, check_reports, write_report

if TYPE_CHECKING:
    from toolkit.bench.results import Benchmark
    from toolkit.bench.suggest import Suggestion
    from toolkit.console import Console
    from toolkit.cost.prices import Price
    from toolkit.deployment.context import Context


class Target(StrEnum):
    """Where requests were measured."""

    API = "api"
    RUNTIME = "runtime"


MaybeEnv = Annotated[
    str | None,
    typer.Option(
        "--env",
        "-e",
        envvar="TOOLKIT_ENV",
        metavar="ENV",
        help="Environment of stored benchmarks; not needed for files.",
    ),
]
MaybeModel = Annotated[
    str | None, typer.Option("--model", "-m", metavar="NAME", help="Only benchmarks of this model.")
]
Limit = Annotated[
    int, typer.Option("--limit", "-n", metavar="N", min=1, help="Number of benchmarks, newest first.")
]
Reference = Annotated[
    str, typer.Argument(metavar="BENCHMARK", help="Id or its beginning, `latest`, `release:N`, or a file.")
]
First = Annotated[
    str, typer.Argument(metavar="A", help="Id or its beginning, `latest`, `release:N`, or a file.")
]
Second = Annotated[str, typer.Argument(metavar="B", help="Likewise.")]
CostPerHour = Annotated[
    float | None,
    typer.Option(
        "--cost-per-hour",
        metavar="DOLLARS",
        min=0.0,
        help="Price of one instance per hour, to show the cost of tokens; by default the list price on AWS.",
    ),
]
Fail = Annotated[
    float | None,
    typer.Option(
        "--fail-on-regression",
        metavar="PERCENT",
        min=0.0,
        help="Exit 7 if B is significantly worse in a metric by at least PERCENT; 2 if that is unknown.",
    ),
]
Rate = Annotated[
    float, typer.Option("--rate", metavar="N", min=0.001, help="Wanted requests per second, at the peak.")
]
Headroom = Annotated[
    float,
    typer.Option("--headroom", metavar="PERCENT", min=0.0, max=1000.0, help="Capacity to keep free."),
]
At = Annotated[
    Target | None,
    typer.Option("--target", help="Where latencies must meet the objectives; default: the API if measured."),
]
Write = Annotated[
    bool, typer.Option("--write", help="Write the result into the model's capacity in the environment file.")
]


def list_(env: Env, model: MaybeModel = None, limit: Limit = 20, as_json: Json = False) -> None:
    """List stored benchmarks, newest first."""
    from toolkit.bench import formats, records
    from toolkit.console import Console
    from toolkit.deployment.context import open_context

    console = Console()
    stored = records.of(open_context(env, console)).list(model, limit)
    if as_json:
        console.data(json.dumps(formats.list_data(stored), indent=2))
    elif stored:
        console.data(formats.as_list(stored))
    else:
        console.line(f"no benchmark is stored; measure with `toolkit bench --env {env}`")


def show(
    reference: Reference,
    env: MaybeEnv = None,
    model: MaybeModel = None,
    cost_per_hour: CostPerHour = None,
    as_json: Json = False,
    as_markdown: Markdown = False,
    html: HtmlFile = None,
) -> None:
    """Show a benchmark: what it measured, and the metrics of its stages."""
    from toolkit.bench import formats, records, text
    from toolkit.console import Console
    from toolkit.report import bench as report

    check_reports(as_json, as_markdown, {"--html": html})
    console = Console()
    context = _context(env, console, reference)
    name, benchmark = records.load(reference, context, model)
    if as_json:
        console.data(text.as_json(benchmark))
    elif as_markdown:
        console.data(report.markdown(benchmark))
    elif html != "-":
        console.data(formats.show(name, benchmark, _price(context, benchmark, cost_per_hour)))
    if html is not None:
        write_report(console, html, report.html(benchmark))


def compare(
    before: First,
    after: Second,
    env: MaybeEnv = None,
    model: MaybeModel = None,
    fail_on_regression: Fail = None,
    as_json: Json = False,
    as_markdown: Markdown = False,
    html: HtmlFile = None,
) -> None:
    """Compare two benchmarks: what differs in the deployments, and which metrics differ significantly."""
    from toolkit.bench import compare, formats, records
    from toolkit.console import Console

    check_reports(as_json, as_markdown, {"--html": html})
    console = Console()
    context = _context(env, console, before, after)
    first, second = (records.load(reference, context, model) for reference in (before, after))
    result = compare.compare(first[1], second[1], (first[0], second[0]))
    if as_json:
        console.data(json.dumps(result.as_data(), indent=2))
    elif html != "-":
        console.data((formats.comparison_markdown if as_markdown else formats.comparison)(result))
    if html is not None:
        write_report(console, html, formats.comparison_html(result))
    if fail_on_regression is not None:
        if as_json or html == "-":
            # The other formats have them.
            for note in result.notes:
                console.line(f"note: {note}")
        compare.raise_for_regressions(result, fail_on_regression)


def suggest(
    env: Env,
    rate: Rate,
    reference: Annotated[
        str,
        typer.Argument(metavar="[BENCHMARK]", help="Id or its beginning, `latest`, `release:N`, or a file."),
    ] = "latest",
    model: MaybeModel = None,
    headroom: Headroom = 20.0,
    target: At = None,
    cost_per_hour: CostPerHour = None,
    write: Write = False,
    as_json: Json = False,
) -> None:
    """Suggest instances and scaling target for a rate of requests under the model's objectives."""
    from toolkit.bench import records
    from toolkit.console import Console
    from toolkit.deployment.context import open_context

    console = Console()
    context = open_context(env, console)
    id_, benchmark = records.load(reference, context, model)
    suggest_from(
        context,
        id_,
        benchmark,
        rate=rate,
        headroom=headroom,
        target=target,
        cost_per_hour=cost_per_hour,
        write=write,
        as_json=as_json,
    )


def suggest_from(
    context: Context,
    id_: str,
    benchmark: Benchmark,
    *,
    rate: float,
    headroom: float = 20.0,
    target: Target | None = None,
    cost_per_hour: float | None = None,
    write: bool = False,
    as_json: bool = False,
) -> Suggestion:
    """Print a suggestion, and write it into the environment file if asked; see `suggest`."""
    from toolkit.bench import capacity, formats, runner, suggest

    model = context.environment.models.get(benchmark.model)
    objectives = runner.objectives(model) or None
    price = _price(context, benchmark, cost_per_hour)
    result = suggest.suggest(
        benchmark,
        rate,
        objectives=objectives,
        headroom_percent=headroom,
        target=None if target is None else target.value,
        cost_per_hour=None if price is None else price.dollars,
    )
    console = context.console
    if as_json:
        console.data(json.dumps(result.as_data(), indent=2))
    else:
        console.data(formats.suggestion(result, price))
    if write:
        difference = capacity.write(context, benchmark, id_, result)
        console.line(difference or "the environment file already has these numbers")
    return result


def _price(context: Context | None, benchmark: Benchmark, cost_per_hour: float | None) -> Price | None:
    """Price of an instance: of the user, otherwise of the region; None for a benchmark on this machine."""
    from toolkit.cost.price_list_api import PriceList
    from toolkit.cost.prices import Price, Prices

    if cost_per_hour is not None:
        return Price(cost_per_hour, "--cost-per-hour", "")
    if context is None or context.environment.is_local:
        return None
    prices = Prices.of(context.environment, PriceList(context.access))
    return prices.instance_hour(benchmark.subject.instance_type)


def _context(env: str | None, console: Console, *references: str) -> Context | None:
    """The environment; None if none is given, or if all references are files."""
    from pathlib import Path

    from toolkit.deployment.context import open_context

    if env is None or all(Path(reference).is_file() for reference in references):
        return None
    return open_context(env, console)
