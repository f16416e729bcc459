"""The cost of tokens that a stored benchmark measured agrees with a calculation by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.measurements import SUBJECT, benchmark
from toolkit.bench.results import Request, Stage
from toolkit.bench.token_costs import token_cost
from toolkit.cost.prices import Prices
from toolkit.deployment.measured import Resources

PRICES = Prices("us-east-1", {"ml.g6.2xlarge": 1.2})
NOTHING = Resources.of([], {}, "store")


def stage(clients: int, tokens: int | None) -> Stage:
    """A stage of ten seconds with two requests."""
    requests = tuple(Request(started=0, total=9, first=1, output_tokens=tokens) for _ in range(2))
    return Stage("api", seconds=10, requests=requests, concurrency=clients)


def deployed(instance_type: str = SUBJECT.instance_type) -> Resources:
    """A deployment with the resources of the benchmark, but for the digest of its options."""
    model = {
        "endpoint_name": "endpoint",
        "endpoint_type": "realtime",
        "endpoint_config_name": "configuration",
        "variant_names": ["AllTraffic"],
        "model_names": {"AllTraffic": "model"},
        "instance_types": {"AllTraffic": instance_type},
        "alarm_names": [],
    }
    outputs = {"models": {"qwen3": model}, "functions": {"gateway": "gateway"}}
    source = {"s3_data_source": [{"s3_uri": "s3://store/qwen3/0123456789abcdef/"}]}
    container = {"image": SUBJECT.image, "model_data_source": [source]}
    variant = {"variant_name": "AllTraffic", "instance_type": instance_type}
    resources: list[tuple[str, Mapping[str, Any]]] = [
        ("aws_sagemaker_model", {"name": "model", "primary_container": [container]}),
        (
            "aws_sagemaker_endpoint_configuration",
            {"name": "configuration", "production_variants": [variant]},
        ),
        (
            "aws_lambda_function",
            {"function_name": "gateway", "source_code_hash": SUBJECT.gateway.removeprefix("sha256:")},
        ),
    ]
    return Resources.of(json.loads(json.dumps(resources)), outputs, "store")


def test_the_cost_is_that_of_the_stage_with_the_most_tokens() -> None:
    measured = benchmark(stages=(stage(1, 500), stage(8, 2000), stage(64, 1000)), subject={"instances": 3})
    cost = token_cost("id", measured, deployed(), PRICES)
    assert cost is not None
    # 2 x 2,000 tokens in 10 s are 1.44 million per hour, of 3 instances for 1.20 dollars each.
    assert cost.dollars_per_million == pytest.approx(2.5)
    assert "8 clients" in cost.details
    assert "3 x ml.g6.2xlarge, benchmark id" in cost.details


def test_the_cost_names_what_was_deployed_meanwhile() -> None:
    measured = benchmark(stages=(stage(1, 500),))
    now = deployed()
    same = benchmark(stages=(stage(1, 500),), subject={"options": now.subject(now.deployed["qwen3"]).options})
    costs = [
        token_cost("id", same, now, PRICES),
        token_cost("id", measured, deployed("ml.g6.4xlarge"), PRICES),
        token_cost("id", measured, NOTHING, PRICES),
    ]
    phrases = [cost.details.partition("benchmark id")[2] for cost in costs if cost is not None]
    assert phrases == [
        "",
        ", which measured other engine options, instance type than deployed",
        ", which measured other resources than deployed",
    ]


@pytest.mark.parametrize(
    ("stages", "subject"),
    [
        ((stage(1, None),), {}),
        ((), {}),
        ((stage(1, 500),), {"instances": 0}),
        ((stage(1, 500),), {"instance_type": "ml.unknown.large"}),
    ],
)
def test_an_unknown_part_is_not_guessed(stages: tuple[Stage, ...], subject: dict[str, Any]) -> None:
    assert token_cost("id", benchmark(stages=stages, subject=subject), deployed(), PRICES) is None
