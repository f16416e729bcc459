"""A suggestion is written into the environment file, with what it rests on, and is checked from then on."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cloud import make_checkout
from tests.support.measurements import SUBJECT, benchmark
from toolkit.aws.access import AwsAccess
from toolkit.bench import capacity
from toolkit.bench.suggest import suggest
from toolkit.console import Console
from toolkit.deployment import measured
from toolkit.deployment.context import Context
from toolkit.environment import load
from toolkit.environment.problems import EnvironmentFileError
from toolkit.errors import InputError

FILE = """\
target: aws
name: llm
account_id: "123456789012"
region: us-east-1
models:
  qwen3:
    serving: {engine: vllm}
    source: {hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218}
    instance_type: ml.g6.2xlarge  # an L4
    capacity:
      # Tolerates a failure.
      min: 2
      max: 3
"""
MEASURED = benchmark()
Opened = Callable[[str], Context]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """A function that returns the environment `dev` with a file of this text."""
    project = make_checkout(tmp_path)

    def write(text: str) -> Context:
        project.environment_file("dev").write_text(text)
        console = Console(err=io.StringIO(), interactive=False)
        return Context(project, load(project, "dev"), AwsAccess("us-east-1", "123456789012"), console, None)

    return write


def test_the_file_gets_the_numbers_and_what_they_rest_on(opened: Opened) -> None:
    context = opened(FILE)
    result = suggest(MEASURED, 40)
    difference = capacity.write(context, MEASURED, "the-id", result)
    file = context.project.environment_file("dev")
    numbers = load(context.project, "dev").models["qwen3"].capacity
    assert (numbers.min, numbers.max) == (2, result.instances)
    assert numbers.concurrent_requests == result.concurrent_requests
    assert numbers.measured is not None
    assert numbers.measured.benchmark == "the-id"
    assert numbers.measured.options == SUBJECT.options
    assert numbers.measured.gateway == SUBJECT.gateway
    assert "# Tolerates a failure." in file.read_text()
    assert "ml.g6.2xlarge  # an L4" in file.read_text()
    removed = [
        line for line in difference.splitlines() if line.startswith("-") and not line.startswith("---")
    ]
    assert removed == ["-      max: 3"]
    # Again, it changes nothing.
    assert not capacity.write(context, MEASURED, "the-id", result)


def test_the_gateway_counts_at_the_api_only(opened: Opened) -> None:
    context = opened(FILE)
    runtime = replace(MEASURED, stages=tuple(replace(stage, target="runtime") for stage in MEASURED.stages))
    capacity.write(context, runtime, "the-id", suggest(runtime, 40))
    numbers = load(context.project, "dev").models["qwen3"].capacity.measured
    assert numbers is not None
    assert numbers.gateway is None


def test_the_minimum_is_kept(opened: Opened) -> None:
    context = opened(FILE)
    capacity.write(context, MEASURED, "the-id", suggest(MEASURED, 1))
    assert load(context.project, "dev").models["qwen3"].capacity.max == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILE.replace("qwen3:", "other:"), "no such model"),
        (FILE + "    variants: {a: {}, b: {weight: 2}}\n", "each of its variants has a capacity"),
    ],
)
def test_other_models_are_not_written(opened: Opened, text: str, message: str) -> None:
    context = opened(text)
    with pytest.raises(InputError, match=message):
        capacity.write(context, MEASURED, "the-id", suggest(MEASURED, 40))
    assert context.project.environment_file("dev").read_text() == text


def test_an_invalid_result_is_not_written(opened: Opened) -> None:
    context = opened(FILE)
    hostile = replace(MEASURED, subject=replace(MEASURED.subject, image="a\x1b[2J"))
    with pytest.raises(EnvironmentFileError):
        capacity.write(context, hostile, "the-id", suggest(hostile, 40))
    assert context.project.environment_file("dev").read_text() == FILE


def warnings(context: Context, **members: str) -> list[str]:
    """The warnings of `validate` after a benchmark that measured this."""
    lines = [f"        {name}: {value}" for name, value in {"benchmark": "the-id", **members}.items()]
    file = context.project.environment_file("dev")
    file.write_text("\n".join([FILE.rstrip(), "      measured:", *lines, ""]))
    return list(measured.outdated_offline(load(context.project, "dev")))


def test_validate_names_what_differs_in_the_file(opened: Opened) -> None:
    context = opened(FILE)
    assert not warnings(context)
    # Only a plan knows the code.
    assert not warnings(context, gateway="sha256:other")
    (first,) = warnings(context, weights="w", image="i", options="o", instance_type="ml.g6.2xlarge")
    assert first.startswith("models.qwen3.capacity.measured: these numbers do not apply any more: ")
    assert "instance type" not in first
    assert "weights: w → Qwen/Qwen3-8B@b968826d9c46dd6066d109eabc6255188de91218" in first
    assert "container image: i → 763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm" in first
    options = first.partition("engine options: o → ")[2].partition(")")[0]
    assert not warnings(context, options=options)
    changed = FILE.replace("{engine: vllm}", "{engine: vllm, options: {max_model_len: 4096}}")
    (second,) = measured.outdated_offline(
        opened(changed + f"      measured: {{benchmark: the-id, options: '{options}'}}\n").environment
    )
    assert f"engine options: {options} → sha256:" in second
