"""The costs of tokens, from the newest stored benchmark of each model."""

from __future__ import annotations

from toolkit.aws import state_bucket
from toolkit.aws.concurrent import map_concurrently
from toolkit.bench import metrics, records
from toolkit.bench.compare import label
from toolkit.bench.results import Benchmark
from toolkit.bench.suggest import per_million
from toolkit.cost.estimate import TokenCost
from toolkit.cost.prices import Prices
from toolkit.deployment import measured
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import Outputs


def read(context: Context, outputs: Outputs, prices: Prices) -> tuple[TokenCost, ...]:
    """The costs of tokens of the deployed models; of those without a benchmark that has them, none.

    Args:
        context: the environment.
        outputs: what is deployed.
        prices: the prices of the region.
    """
    store = records.of(context)
    newest = map_concurrently(lambda name: store.list(name, 1), outputs.models)
    stored = [record for of_model in newest for record in of_model]
    if not stored:
        return ()
    environment = context.environment
    content = state_bucket.read(context.access, environment.state_bucket, environment.state_key)
    resources = measured.Resources.of_state(content or b"", context.state_uri, environment.model_store_bucket)
    return tuple(
        cost
        for record in stored
        if record.benchmark is not None
        and (cost := token_cost(record.id, record.benchmark, resources, prices)) is not None
    )


def token_cost(
    id_: str, benchmark: Benchmark, deployed: measured.Resources, prices: Prices
) -> TokenCost | None:
    """The costs of tokens at the stage with the most of them; None if a price or the tokens are unknown.

    Args:
        id_: of the benchmark.
        benchmark: the benchmark.
        deployed: the deployment, which can differ from what was measured.
        prices: the prices of the region.
    """
    subject = benchmark.subject
    price = prices.instance_hour(subject.instance_type)
    rates = [
        (metrics.of_stage(stage).output_tokens_per_second or 0, label(stage)) for stage in benchmark.stages
    ]
    tokens, stage = max(rates, default=(0, ""))
    if price is None or not subject.instances or not tokens:
        return None
    dollars = per_million(price.dollars * subject.instances, tokens)
    if dollars is None:
        return None
    details = f"{stage}, {subject.instances} x {subject.instance_type}, benchmark {id_}"
    changes = _changes(benchmark, deployed)
    if changes:
        details += f", which measured other {changes} than deployed"
    return TokenCost(benchmark.model, dollars, details, str(price))


def _changes(benchmark: Benchmark, deployed: measured.Resources) -> str:
    """The names of members in which the deployment differs from a benchmark; empty if there are none."""
    try:
        now = deployed.subject(deployed.deployed[benchmark.model])
    except (KeyError, measured.UnknownError):
        return "resources"
    return ", ".join(
        measured.WORDS[member]
        for member in measured.IDENTITY
        if getattr(benchmark.subject, member) != getattr(now, member)
    )
