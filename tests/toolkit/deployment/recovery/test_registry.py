"""The registry of recoveries covers every resource of the stacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.deployment.recovery import cleanup, registry
from toolkit.deployment.recovery.registry import Address
from toolkit.terraform import hcl

STACKS = ("inference", "account")


def resources(folder: Path, prefix: str = "") -> Iterator[str]:
    """Return the addresses, without instance keys, of all `resource` blocks of a root module."""
    for file in sorted(folder.glob("*.tf")):
        for statement in hcl.statements(file.read_text()):
            if statement.keyword == "resource":
                yield prefix + ".".join(statement.labels)
            elif statement.keyword == "module":
                (source,) = [child.string() for child in statement.children() if child.keyword == "source"]
                assert source is not None
                yield from resources((folder / source).resolve(), f"{prefix}module.{statement.labels[0]}.")


def import_blocks(folder: Path) -> dict[str, str]:
    """Return the addresses of the `import` blocks that the toolkit feeds, by their key of `var.imports`."""
    text = (folder / "imports.tf").read_text()
    pairs = re.findall(r'lookup\(local\.imports, "([^"]+)", {}\)\n  to += (\S+)\n', text)
    assert len(pairs) == text.count("\nimport {")
    return dict(pairs)


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_of_a_stack_has_a_recovery_or_a_reason(checkout: Path, stack: Any) -> None:
    declared = list(resources(checkout / "terraform" / "stacks" / stack))
    assert len(declared) > 10
    assert sorted(registry.STACKS[stack]) == sorted(declared), (
        "describe in toolkit/deployment/recovery/registry.py how each resource is recovered"
    )
    for recovery in registry.STACKS[stack].values():
        for way in (recovery.look_up, recovery.find_orphans):
            assert callable(way) or len(way.split()) > 3


@pytest.mark.parametrize("stack", STACKS)
def test_every_look_up_has_its_import_block(checkout: Path, stack: Any) -> None:
    imports = import_blocks(checkout / "terraform" / "stacks" / stack)
    with_look_up = {
        block for block, recovery in registry.STACKS[stack].items() if not isinstance(recovery.look_up, str)
    }
    assert set(imports) == with_look_up
    for block, address in imports.items():
        assert Address.parse(address).block == block


def test_deployments_of_the_module_are_recognized(checkout: Path) -> None:
    text = (checkout / "terraform" / "modules" / "inference_api" / "api.tf").read_text()
    assert f'description = "{cleanup._DEPLOYMENT}$' in text


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        (
            'module.endpoint["m.x"].aws_sagemaker_model.this["0a"]',
            Address("module.endpoint.aws_sagemaker_model.this", "m.x", "0a"),
        ),
        (
            "module.api.aws_lambda_function.gateway[0]",
            Address("module.api.aws_lambda_function.gateway", None, "0"),
        ),
        (
            'module.endpoint["m"].aws_cloudwatch_metric_alarm.rollout["a/latency"]',
            Address("module.endpoint.aws_cloudwatch_metric_alarm.rollout", "m", "a/latency"),
        ),
        ("aws_s3_bucket.state", Address("aws_s3_bucket.state")),
    ],
)
def test_addresses_are_split_into_block_and_keys(address: str, parsed: Address) -> None:
    assert Address.parse(address) == parsed
